// The 3D view of a page: meshes of a .glb and skeletons, to turn, zoom and switch. Needs three.min.js before it.
//
// handsssViewer.show(place, model) fills an element; model is
//   name       file name of the download, without suffix
//   glb        base64 of a .glb (y up, metres; skins, morph targets and one animation are shown), or null
//   skeletons  [{label, points: [[x, y, z], ...], colours: ["#rrggbb", ...], bone: "#rrggbb" or null}], metres
//   bones      [[parent, child], ...], of the points of every skeleton
//   joints     whether skeletons are shown at first
// Nothing is fetched: textures come from the .glb's own bytes.
(function () {
  "use strict";
  const CLAY = "#7da3dc";
  const STEP = Math.PI / 15; // an arrow key turns by 12 degrees
  const UNLIT = "WebGL is missing in this browser or switched off, so the 3D view cannot be drawn. " +
    "The pictures and figures of this page do not need it.";

  function element(name, attributes, text) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function bytesOf(base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  }

  // three.js would read textures through blob: addresses, which the page's policy forbids with all others.
  function inlineTextures(parser) {
    return {
      name: "inline_textures",
      async loadTexture(index) {
        const image = parser.json.images[parser.json.textures[index].source];
        const bytes = await parser.getDependency("bufferView", image.bufferView);
        const options = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
        const texture = new THREE.Texture(await createImageBitmap(new Blob([bytes], { type: image.mimeType }), options));
        texture.flipY = false;
        texture.anisotropy = 8;
        texture.needsUpdate = true;
        return texture;
      },
    };
  }

  function skeletonOf({ points, colours, bone }, bones, radius) {
    const group = new THREE.Group();
    const ball = new THREE.SphereGeometry(radius, 20, 14);
    const up = new THREE.Vector3(0, 1, 0);
    const at = points.map((point) => new THREE.Vector3(...point));
    at.forEach((point, index) => {
      const joint = new THREE.Mesh(ball, new THREE.MeshStandardMaterial({ color: colours[index], roughness: 0.6 }));
      joint.position.copy(point);
      group.add(joint);
    });
    for (const [parent, child] of bones) {
      const along = at[child].clone().sub(at[parent]);
      const rod = new THREE.CylinderGeometry(radius * 0.45, radius * 0.45, along.length(), 10, 1);
      const material = new THREE.MeshStandardMaterial({ color: bone || colours[child], roughness: 0.6 });
      const mesh = new THREE.Mesh(rod, material);
      mesh.position.copy(at[parent]).addScaledVector(along, 0.5);
      mesh.quaternion.setFromUnitVectors(up, along.normalize());
      group.add(mesh);
    }
    return group;
  }

  // Joints of a moving hand follow the bones of its skin; [THREE.Bone, marker] and rods between them.
  class MovingSkeleton {
    constructor(root, radius) {
      this.group = new THREE.Group();
      this.joints = [];
      const ball = new THREE.SphereGeometry(radius, 16, 12);
      const rod = new THREE.CylinderGeometry(radius * 0.45, radius * 0.45, 1, 8, 1);
      const material = new THREE.MeshStandardMaterial({ color: "#ff8a3d", roughness: 0.6 });
      const marker = new Map();
      root.traverse((bone) => {
        if (!bone.isBone) return;
        const joint = new THREE.Mesh(ball, material);
        const parent = marker.get(bone.parent);
        const stick = parent ? new THREE.Mesh(rod, material) : null;
        this.group.add(joint);
        if (stick) this.group.add(stick);
        marker.set(bone, joint);
        this.joints.push({ bone, joint, parent, stick });
      });
    }

    follow() {
      const up = new THREE.Vector3(0, 1, 0);
      for (const { bone, joint, parent, stick } of this.joints) {
        bone.getWorldPosition(joint.position);
        // A hand that is not there has the scale 0.
        joint.visible = bone.getWorldScale(new THREE.Vector3()).length() > 1e-6;
        if (!stick) continue;
        const along = joint.position.clone().sub(parent.position);
        stick.visible = joint.visible;
        stick.position.copy(parent.position).addScaledVector(along, 0.5);
        stick.scale.set(1, Math.max(along.length(), 1e-6), 1);
        stick.quaternion.setFromUnitVectors(up, along.normalize());
      }
    }
  }

  class Viewer {
    constructor(place, model) {
      this.place = place;
      this.model = model;
      this.on = { texture: true, wireframe: false, joints: false, turning: false, playing: false };
      this.wires = [];
      this.surfaces = [];
      this.view = element("div", { class: "view" });
      this.bar = element("div", { class: "bar", role: "toolbar", "aria-label": "3D view" });
      place.replaceChildren(this.view, this.bar);
      this.renderer = new THREE.WebGLRenderer({ antialias: true, alpha: true });
      this.canvas = this.renderer.domElement;
      this.canvas.tabIndex = 0;
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", `Hand of ${model.name} in 3D. Arrow keys turn it, plus and minus zoom.`);
      this.view.append(this.canvas);
      this.scene = new THREE.Scene();
      this.camera = new THREE.PerspectiveCamera(30, 1, 0.001, 100);
      this.scene.add(this.camera, new THREE.HemisphereLight("#ffffff", "#b0aaa4", 1.6));
      const key = new THREE.DirectionalLight("#ffffff", 2.1); // from above the viewer's left shoulder
      key.position.set(-0.9, 1.1, 0.7);
      this.camera.add(key, key.target);
      key.target.position.set(0, 0, -1);
      this.controls = new THREE.OrbitControls(this.camera, this.canvas);
      this.controls.enableDamping = true;
      this.controls.dampingFactor = 0.12;
      this.controls.autoRotateSpeed = 3;
      this.controls.addEventListener("change", () => this.draw());
      this.canvas.addEventListener("keydown", (event) => this.pressed(event));
      this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
      this.canvas.addEventListener("webglcontextrestored", () => this.draw());
      this.resizing = new ResizeObserver(() => this.resize());
      this.resizing.observe(this.view);
      this.tick = this.tick.bind(this);
    }

    async load() {
      const { model } = this;
      this.group = new THREE.Group();
      this.scene.add(this.group);
      let animations = [];
      if (model.glb) {
        this.bytes = bytesOf(model.glb);
        const loader = new THREE.GLTFLoader().register(inlineTextures);
        const gltf = await loader.parseAsync(this.bytes.buffer, "");
        this.group.add(gltf.scene);
        animations = gltf.animations;
        const meshes = [];
        gltf.scene.traverse((one) => one.isMesh && meshes.push(one));
        meshes.forEach((mesh) => this.addMesh(mesh));
      }
      if (animations.length) this.animate(animations[0]);
      this.frame();
      const radius = this.radius * 0.021;
      if (model.skeletons.length) {
        this.joints = new THREE.Group();
        for (const one of model.skeletons) this.joints.add(skeletonOf(one, model.bones, radius));
      } else if (model.glb) {
        this.moving = new MovingSkeleton(this.group, radius);
        this.joints = this.moving.joints.length ? this.moving.group : null;
      }
      if (this.joints) {
        // Drawn over the hand, which keeps their colours, in a pass of their own, which keeps their order.
        this.inside = new THREE.Scene();
        this.inside.add(new THREE.HemisphereLight("#ffffff", "#aaa49e", 2.6), this.joints);
      }
      this.buttons();
      this.set("joints", Boolean(this.joints) && Boolean(model.joints || !model.glb));
      this.reset();
      this.resize();
      this.running = true;
      this.draw();
    }

    addMesh(mesh) {
      const material = mesh.material;
      mesh.frustumCulled = false; // its bounds are those of the bind pose
      material.metalness = 0;
      material.roughness = 0.75;
      material.side = THREE.DoubleSide; // the wrist is open
      material.polygonOffset = true; // wires lie before the surface
      material.polygonOffsetFactor = 1;
      material.polygonOffsetUnits = 1;
      this.surfaces.push({ material, map: material.map, colours: material.vertexColors, colour: material.color.clone() });
      const lines = new THREE.MeshBasicMaterial({ color: "#10243f", wireframe: true, transparent: true, opacity: 0.5 });
      let wire;
      if (mesh.isSkinnedMesh) {
        wire = new THREE.SkinnedMesh(mesh.geometry, lines);
        wire.bind(mesh.skeleton, mesh.bindMatrix);
      } else {
        wire = new THREE.Mesh(mesh.geometry, lines);
      }
      wire.morphTargetInfluences = mesh.morphTargetInfluences; // shared: an animation moves both
      wire.morphTargetDictionary = mesh.morphTargetDictionary;
      wire.frustumCulled = false;
      wire.visible = false;
      mesh.add(wire);
      this.wires.push(wire);
    }

    animate(clip) {
      this.mixer = new THREE.AnimationMixer(this.group);
      this.mixer.clipAction(clip).play();
      this.duration = clip.duration;
      this.seek(0);
    }

    seek(seconds) {
      this.time = seconds;
      this.mixer.setTime(Math.min(seconds, this.duration * (1 - 1e-6))); // at its end a film begins anew
      if (this.slider) {
        this.slider.value = seconds;
        this.slider.setAttribute("aria-valuetext", `${seconds.toFixed(2)} of ${this.duration.toFixed(2)} seconds`);
        this.clock.textContent = `${seconds.toFixed(2)} / ${this.duration.toFixed(2)} s`;
      }
      this.draw();
    }

    // Everything that shall be in view, over the whole animation, and the box around it.
    frame() {
      const box = new THREE.Box3();
      this.points = [];
      const moments = this.mixer ? 12 : 1;
      for (let i = 0; i < moments; i++) {
        if (this.mixer) this.mixer.setTime((this.duration * i) / moments);
        this.group.updateMatrixWorld(true);
        for (const wire of this.wires) {
          const count = wire.geometry.attributes.position.count;
          const own = [];
          for (let v = 0; v < count; v++) own.push(wire.getVertexPosition(v, new THREE.Vector3()).applyMatrix4(wire.matrixWorld));
          const bounds = new THREE.Box3().setFromPoints(own);
          if (bounds.getSize(new THREE.Vector3()).length() > 1e-4) this.points.push(...own); // else it is not there
        }
      }
      if (this.mixer) this.seek(0);
      for (const { points } of this.model.skeletons) this.points.push(...points.map((p) => new THREE.Vector3(...p)));
      box.setFromPoints(this.points);
      if (box.isEmpty()) box.set(new THREE.Vector3(-0.1, -0.1, -0.1), new THREE.Vector3(0.1, 0.1, 0.1));
      this.centre = box.getCenter(new THREE.Vector3());
      this.radius = Math.max(box.getSize(new THREE.Vector3()).length() / 2, 0.01);
    }

    // As the photo's camera saw it: from the origin, turned to the hands, zoomed until they fill the view.
    reset() {
      this.controls.enableDamping = false; // what is left of a swing would turn the view away again
      this.controls.update();
      this.controls.enableDamping = true;
      const distance = this.centre.length();
      const seen = this.centre.z < 0 && distance > 1.5 * this.radius;
      if (seen) this.camera.position.set(0, 0, 0);
      else this.camera.position.copy(this.centre).add(new THREE.Vector3(0, 0, 5 * this.radius));
      this.start = this.camera.position.clone();
      this.distance = this.camera.position.distanceTo(this.centre);
      this.controls.target.copy(this.centre);
      this.controls.minDistance = this.radius * 0.6;
      this.controls.maxDistance = this.distance + this.radius * 12;
      this.camera.near = this.radius / 100;
      this.camera.far = this.controls.maxDistance + this.radius * 4;
      this.fit();
      this.controls.update();
      this.draw();
    }

    fit() {
      const eye = this.start.clone();
      const forward = this.centre.clone().sub(eye).normalize();
      const right = forward.clone().cross(new THREE.Vector3(0, 1, 0)).normalize();
      const up = right.clone().cross(forward);
      let half = 0.2 * (this.radius / this.distance);
      for (const point of this.points) {
        const ray = point.clone().sub(eye);
        const depth = Math.max(ray.dot(forward), this.distance * 0.2);
        half = Math.max(half, Math.abs(ray.dot(up)) / depth, Math.abs(ray.dot(right)) / depth / this.camera.aspect);
      }
      this.camera.fov = Math.min(90, (2 * Math.atan(1.18 * half) * 180) / Math.PI);
      this.camera.updateProjectionMatrix();
    }

    resize() {
      const width = this.view.clientWidth, height = this.view.clientHeight;
      if (!width || !height || !this.points) return;
      this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
      this.renderer.setSize(width, height);
      this.camera.aspect = width / height;
      this.fit();
      this.render();
    }

    // Nothing is computed while nothing moves.
    draw() {
      this.due = true;
      if (this.waiting || !this.running) return;
      this.waiting = true;
      requestAnimationFrame(this.tick);
    }

    render() {
      this.due = false;
      if (this.moving) {
        this.group.updateMatrixWorld(true);
        this.moving.follow();
      }
      this.renderer.autoClear = true;
      this.renderer.render(this.scene, this.camera);
      if (this.joints && this.on.joints) {
        this.renderer.autoClear = false;
        this.renderer.clearDepth();
        this.renderer.render(this.inside, this.camera);
      }
      this.drawn = (this.drawn || 0) + 1;
    }

    tick(now) {
      this.waiting = false;
      if (!this.running) return;
      const passed = Math.min((now - (this.last || now)) / 1000, 0.25);
      this.last = now;
      if (this.mixer && this.on.playing) this.seek((this.time + passed) % this.duration);
      this.controls.update(passed); // draws again as long as a swing lasts
      if (this.due) this.render();
      if (this.on.turning || this.on.playing) this.draw();
    }

    set(what, on) {
      this.on[what] = on;
      const button = this.bar.querySelector(`[data-switch="${what}"]`);
      if (button) button.setAttribute("aria-pressed", String(on));
      for (const wire of this.wires) wire.visible = this.on.wireframe;
      if (this.joints) this.joints.visible = this.on.joints;
      this.controls.autoRotate = this.on.turning;
      for (const { material, map, colours, colour } of this.surfaces) {
        material.map = this.on.texture ? map : null;
        material.vertexColors = this.on.texture ? colours : false;
        material.color.copy(this.on.texture ? colour : new THREE.Color(CLAY));
        material.transparent = this.on.joints;
        material.opacity = this.on.joints ? 0.6 : 1;
        material.needsUpdate = true;
      }
      if (button && what === "playing") button.textContent = on ? "Pause" : "Play";
      if (what === "playing" || what === "turning") this.last = 0;
      this.draw();
    }

    buttons() {
      const add = (what, text, title) => {
        const attributes = { type: "button", "data-switch": what, "aria-pressed": String(this.on[what]), title };
        const button = element("button", attributes, text);
        button.addEventListener("click", () => this.set(what, !this.on[what]));
        this.bar.append(button);
      };
      const act = (text, title, action) => {
        const button = element("button", { type: "button", title }, text);
        button.addEventListener("click", action);
        this.bar.append(button);
      };
      if (this.mixer) {
        add("playing", "Play", "Play the film (space)");
        const attributes = { type: "range", min: 0, max: this.duration, step: "any", value: 0, "aria-label": "Time" };
        this.slider = element("input", attributes);
        this.slider.addEventListener("input", () => {
          this.set("playing", false);
          this.seek(Number(this.slider.value));
        });
        this.clock = element("output", { class: "clock" });
        this.bar.append(this.slider, this.clock);
        this.seek(0);
      }
      if (this.joints) add("joints", "Joints", "Show the joints (j)");
      if (this.surfaces.length) {
        add("wireframe", "Wireframe", "Show the triangles (w)");
        add("texture", "Texture", "Texture, or one colour (t)");
      }
      add("turning", "Turn", "Turn by itself (r)");
      act("Reset", "As the camera saw it (0)", () => this.reset());
      if (this.bytes) act("Download .glb", "Blender, game engines and viewers open it", () => this.download());
    }

    download() {
      const address = URL.createObjectURL(new Blob([this.bytes], { type: "model/gltf-binary" }));
      const link = element("a", { href: address, download: `${this.model.name}.glb` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
    }

    turn(sideways, upwards) {
      const offset = this.camera.position.clone().sub(this.centre);
      const angles = new THREE.Spherical().setFromVector3(offset);
      angles.theta -= sideways;
      angles.phi = Math.min(Math.max(angles.phi - upwards, 0.05), Math.PI - 0.05);
      this.camera.position.copy(this.controls.target).add(offset.setFromSpherical(angles));
      this.controls.update();
      this.draw();
    }

    zoom(factor) {
      const offset = this.camera.position.clone().sub(this.controls.target);
      const length = offset.length() * factor;
      offset.setLength(Math.min(Math.max(length, this.controls.minDistance), this.controls.maxDistance));
      this.camera.position.copy(this.controls.target).add(offset);
      this.controls.update();
      this.draw();
    }

    pressed(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const actions = {
        ArrowLeft: () => this.turn(-STEP, 0),
        ArrowRight: () => this.turn(STEP, 0),
        ArrowUp: () => this.turn(0, STEP),
        ArrowDown: () => this.turn(0, -STEP),
        "+": () => this.zoom(0.85),
        "=": () => this.zoom(0.85),
        "-": () => this.zoom(1 / 0.85),
        0: () => this.reset(),
        j: () => this.joints && this.set("joints", !this.on.joints),
        w: () => this.set("wireframe", !this.on.wireframe),
        t: () => this.set("texture", !this.on.texture),
        r: () => this.set("turning", !this.on.turning),
        " ": () => this.mixer && this.set("playing", !this.on.playing),
      };
      const action = actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    }

    close() {
      this.running = false;
      this.resizing.disconnect();
      this.controls.dispose();
      this.scene.traverse((one) => {
        if (one.geometry) one.geometry.dispose();
        if (one.material) one.material.dispose();
      });
      if (this.inside) this.inside.traverse((one) => one.geometry && (one.geometry.dispose(), one.material.dispose()));
      for (const { map } of this.surfaces) if (map) map.dispose();
      this.renderer.dispose();
      this.renderer.forceContextLoss();
      this.place.replaceChildren();
    }
  }

  function hasWebGL() {
    try {
      return Boolean(document.createElement("canvas").getContext("webgl2"));
    } catch {
      return false;
    }
  }

  let current = null;

  // One view at a time: browsers hold few WebGL contexts.
  async function show(place, model) {
    if (current) current.close();
    current = null;
    if (!hasWebGL()) {
      place.replaceChildren(element("p", { class: "plain", role: "alert" }, UNLIT));
      return null;
    }
    try {
      current = new Viewer(place, model);
      await current.load();
      return current;
    } catch (error) {
      console.error(error);
      if (current) current.close();
      current = null;
      const text = `The 3D view could not be drawn (${error.message}). The pictures and figures do not need it.`;
      place.replaceChildren(element("p", { class: "plain", role: "alert" }, text));
      return null;
    }
  }

  // The model of a scene lies in it as JSON, beside the element that shows it.
  function showScene(scene) {
    return show(scene.querySelector(".stage"), JSON.parse(scene.querySelector("script.model").textContent));
  }

  window.handsssViewer = { show, showScene, current: () => current };
})();
