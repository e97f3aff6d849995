// How the signals of one axis are told apart: four colours, then the same four dashed.

const COLOURS = [["act", "--c-act"], ["sched", "--c-sched"], ["alt", "--c-alt"], ["soc", "--c-soc"]];
export const DASH = [6, 3];

/** Colour token, class of the swatch, and whether the line of the n-th signal is dashed. */
export function pen(n) {
  const [name, colour] = COLOURS[n % COLOURS.length];
  const dashed = n >= COLOURS.length;
  return { colour, dashed, swatch: `sw ${name}${dashed ? " dashed" : ""}` };
}
