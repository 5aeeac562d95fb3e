// Plain words: errors, shares, angles, measures.

const KINDS = "JPEG, PNG or WebP";

/** What went wrong, for somebody who does not know what a status is. */
export function explain(error) {
  if (error.name === "PictureError") return error.message;
  if (error.status === undefined) return "Something in this page went wrong. Reload it and try again.";
  const said = error.message ? ` The server says: ${error.message}` : "";
  switch (error.status) {
    case 0:
      return "The server cannot be reached, or the connection broke. Is it running? Try again.";
    case 401:
      return "This server asks for a key.";
    case 403:
      return `The server declined this.${said}`;
    case 404:
      return `The server does not know what was asked for.${said}`;
    case 413:
      return `This is too large for the server.${said}`;
    case 415:
      return `The server takes ${KINDS} pictures only.${said}`;
    case 429:
      return `The server is busy. ${wait(error.retryAfter)}`;
    case 502:
    case 503:
      return `The server is not ready. ${wait(error.retryAfter)}${said}`;
    case 504:
      return "The server took too long and gave up. Try again.";
    default:
      return error.status >= 500
        ? `The server failed. Try again.${said}`
        : `The server could not use this.${said}`;
  }
}

function wait(seconds) {
  const number = Math.ceil(Number(seconds));
  if (!seconds || !(number > 0)) return "Try again in a moment.";
  return `Try again in ${number} second${number === 1 ? "" : "s"}.`;
}

/** A probability: `98 %`; certainty is never claimed. */
export function percent(value) {
  if (value > 0.995) return "> 99 %";
  return value < 0.005 ? "< 1 %" : `${Math.round(100 * value)} %`;
}

/** A z-score: `+2.3 SD`. */
export const deviation = (z) => `${z < 0 ? "−" : "+"}${Math.abs(z).toFixed(1)} SD`;

/** What a measure that stands out looks like. */
export function measureWords(name, z) {
  const words = {
    lip_corner_lift: ["lip corners drawn down", "lip corners lifted"],
    mouth_open: ["mouth opening small", "mouth opening large"],
    brow_height: ["brows low", "brows raised"],
  };
  return (words[name] ?? [`${name} small`, `${name} large`])[z < 0 ? 0 : 1];
}

/** Angles of a head or a gaze, nothing said of less than five degrees. */
export function angles([yaw, pitch, roll = 0]) {
  const parts = [
    side(yaw, "to the picture's right", "to the picture's left"),
    side(pitch, "up", "down"),
    side(roll, "clockwise", "counter-clockwise"),
  ].filter(Boolean);
  return parts.join(", ") || "straight";
}

function side(degrees, positive, negative) {
  const round = Math.round(degrees);
  return Math.abs(round) < 5 ? "" : `${Math.abs(round)}° ${round > 0 ? positive : negative}`;
}
