// The camera's dialog: what it says, and that the camera is off whenever it is closed.

import * as camera from "./camera.js";
import { byId } from "./dom.js";
import { explain } from "./words.js";

/** Call `open(file)` with a picture that was taken. */
export function startCamera(open) {
  const dialog = byId("camera");
  const told = (error) => {
    byId("camera-alert").textContent = error ? explain(error) : "";
    byId("camera-alert").hidden = !error;
  };
  byId("camera-open").addEventListener("click", async () => {
    told(null);
    dialog.showModal();
    try {
      await camera.open();
      if (!dialog.open) camera.close();
    } catch (error) {
      told(error);
    }
  });
  byId("camera-take").addEventListener("click", async () => {
    try {
      const file = await camera.take();
      dialog.close();
      open(file);
    } catch (error) {
      told(error);
    }
  });
  byId("camera-stop").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", camera.close);
  addEventListener("pagehide", camera.close);
}
