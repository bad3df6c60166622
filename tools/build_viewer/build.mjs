// three.js, only the parts that the viewer uses, as one script that defines THREE. In this folder, with node and npm:
//   npm install && npm run build
import { build } from "esbuild";
import { copyFileSync, readFileSync, statSync } from "node:fs";

const target = new URL("../../handsss/page/viewer/", import.meta.url);
const three = new URL("./node_modules/three/", import.meta.url);
const { version } = JSON.parse(readFileSync(new URL("package.json", three)));
const licence = readFileSync(new URL("LICENSE", three), "utf8").trim();

await build({
  entryPoints: ["three_parts.js"],
  outfile: new URL("three.min.js", target).pathname,
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "THREE",
  target: "es2020",
  charset: "ascii",
  legalComments: "none",
  banner: { js: `/* three.js ${version}, parts of it (https://threejs.org)\n\n${licence}\n*/` },
});
copyFileSync(new URL("LICENSE", three), new URL("three.LICENSE.txt", target));
console.log(`three.js ${version}: ${statSync(new URL("three.min.js", target)).size} bytes`);
