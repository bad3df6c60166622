// What handsss/page/viewer/viewer.js uses of three.js; everything else is left out of the bundle.
export {
  AnimationMixer, Box3, Color, CylinderGeometry, DirectionalLight, DoubleSide, Group, HemisphereLight, Mesh,
  MeshBasicMaterial, MeshStandardMaterial, PerspectiveCamera, Scene, SkinnedMesh, SphereGeometry, Spherical, Texture,
  Vector3, WebGLRenderer,
} from "three";
export { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
