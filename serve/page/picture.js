// A file becomes a picture the server takes. It is changed only where the server would refuse it.

const TAKEN = ["image/jpeg", "image/png", "image/webp"];
const DEFAULTS = { image_bytes: 7_000_000, image_pixels: 25_000_000 }; // 7 MB are 9.3 MB in base64
const QUALITY = 0.92;

/** A picture that cannot be used, in words for the person who chose it. */
export class PictureError extends Error {
  name = "PictureError";
}

/**
 * Decode a file and make it fit.
 *
 * Returns `{ name, blob, data, width, height, note }`: `data` is a data URI, sizes are pixels as
 * the picture is seen, `note` says what was changed (empty where nothing was).
 */
export async function prepare(file, given = {}) {
  const limits = { ...DEFAULTS, ...given };
  const bitmap = await decode(file);
  const { width, height } = bitmap;
  const fits = file.size <= limits.image_bytes && width * height <= limits.image_pixels;
  const name = file.name || "picture";
  if (fits && TAKEN.includes(file.type)) {
    bitmap.close();
    return { name, blob: file, data: await dataUri(file), width, height, note: "" };
  }
  const made = await shrink(bitmap, limits);
  bitmap.close();
  const size = `${made.width} × ${made.height}`;
  const note = fits
    ? "Converted to JPEG in your browser: the server does not take this kind of file."
    : `Made smaller in your browser, from ${width} × ${height} to ${size}, to fit the server's limit.`;
  return { name, ...made, data: await dataUri(made.blob), note };
}

async function decode(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    throw new PictureError(
      `“${file.name || "This"}” cannot be read as a picture. It may be broken, or no picture at all. `
        + "JPEG, PNG and WebP work best.",
    );
  }
}

async function shrink(bitmap, limits) {
  let scale = Math.min(1, Math.sqrt(limits.image_pixels / (bitmap.width * bitmap.height)));
  for (;;) {
    const width = Math.max(1, Math.floor(bitmap.width * scale));
    const height = Math.max(1, Math.floor(bitmap.height * scale));
    const blob = await encode(bitmap, width, height);
    if (blob.size <= limits.image_bytes || width * height < 10_000) return { blob, width, height };
    scale *= 0.8;
  }
}

/** A canvas source (bitmap, video) as a JPEG; what is transparent becomes white. */
export async function encode(source, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  if (!blob) throw new PictureError("This picture is too large for this browser.");
  return blob;
}

function dataUri(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(new PictureError("This file can no longer be read."));
    reader.readAsDataURL(blob);
  });
}
