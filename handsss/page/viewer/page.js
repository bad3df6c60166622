// What a page does once it is read: shows its scene, the scene that a tile of a gallery leads to, or a sample's hand.
(function () {
  "use strict";
  const { show, showScene } = window.handsssViewer;

  const scene = document.querySelector("main > .scene");
  if (scene) showScene(scene);

  const shown = document.getElementById("shown");
  const tiles = document.getElementById("tiles");
  function follow() {
    const wanted = location.hash.startsWith("#scene-") ? document.getElementById(`t${location.hash.slice(1)}`) : null;
    tiles.hidden = Boolean(wanted);
    shown.hidden = !wanted;
    if (!wanted) {
      shown.querySelector(".scene")?.remove();
      const viewer = window.handsssViewer.current();
      if (viewer) viewer.close();
      return;
    }
    shown.querySelector(".scene")?.remove();
    shown.append(wanted.content.cloneNode(true));
    for (const [step, link] of [[-1, "previous"], [1, "next"]]) {
      const other = document.getElementById(`tscene-${Number(location.hash.slice(7)) + step}`);
      const anchor = document.getElementById(link);
      anchor.hidden = !other;
      if (other) anchor.href = `#${other.id.slice(1)}`;
    }
    window.scrollTo(0, 0);
    showScene(shown.querySelector(".scene"));
  }
  if (shown) {
    window.addEventListener("hashchange", follow);
    follow();
  }

  // Samples of a report: one is open at a time.
  let open = null;
  for (const button of document.querySelectorAll("button[data-model]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const place = document.getElementById(`stage-${button.dataset.model}`);
      const before = open;
      if (before) {
        before.place.hidden = true;
        before.button.setAttribute("aria-expanded", "false");
        open = null;
        const viewer = window.handsssViewer.current();
        if (viewer) viewer.close();
      }
      if (before && before.button === button) return;
      open = { button, place };
      place.hidden = false;
      button.setAttribute("aria-expanded", "true");
      await show(place, JSON.parse(document.getElementById(`model-${button.dataset.model}`).textContent));
    });
  }
})();
