// The camera: on after a press, off after a picture, after Stop, and when the page is left.

import { byId } from "./dom.js";
import { encode, PictureError } from "./picture.js";

let stream = null;
let opening = 0; // counts presses, so that a camera allowed after Stop is switched off again

/** Start the camera and show what it sees. */
export async function open() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new PictureError("The camera works on https addresses and on this computer only.");
  }
  const mine = ++opening;
  let found;
  try {
    found = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
  } catch (error) {
    throw new PictureError(
      error.name === "NotAllowedError"
        ? "The camera was not allowed. Your browser's settings for this page can change that."
        : "No camera could be started.",
    );
  }
  if (mine !== opening) {
    found.getTracks().forEach((track) => track.stop());
    return;
  }
  stream = found;
  byId("camera-view").srcObject = stream;
  await byId("camera-view").play();
}

export const isOpen = () => stream !== null;

/** Switch the camera off; safe to call at any time. */
export function close() {
  opening += 1;
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  byId("camera-view").srcObject = null;
}

/** One picture of what the camera sees, as a file. */
export async function take() {
  const view = byId("camera-view");
  if (!view.videoWidth) throw new PictureError("The camera shows nothing yet. Try again.");
  const blob = await encode(view, view.videoWidth, view.videoHeight);
  return new File([blob], "camera.jpg", { type: "image/jpeg" });
}
