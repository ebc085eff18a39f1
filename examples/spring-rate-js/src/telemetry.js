// What this instance has served since it started.

export const API = "/api/";
let answers = 0;

/** Count one answer. */
export function observe() {
  answers += 1;
}

/** How many requests this instance has answered. */
export function served() {
  return answers;
}
