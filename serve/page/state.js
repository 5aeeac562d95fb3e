// What the page knows, in one place: the picture, its faces, what was said about them.

export const state = {
  server: { id: "", notice: "", limits: {}, units: undefined },
  known: null, // closed label sets
  picture: null,
  faces: [],
  done: false, // the picture has been read
  notice: "",
  chosen: null, // id of a face; null: all of them
  talks: new Map(), // chosen -> { face, exchanges }
  reading: null, // AbortController of the picture being read
  busy: false, // a picture is being read
  asking: null, // AbortController of the answer being written
};

/** The conversation about what is chosen. */
export function talk() {
  const { chosen, talks } = state;
  // A lone face is asked about as the whole picture is: there is nothing to leave out.
  const face = state.faces.length > 1 ? chosen : null;
  if (!talks.has(chosen)) talks.set(chosen, { face, exchanges: [] });
  return talks.get(chosen);
}
