// Texts of the page's language. English is the key; the catalogue travels with the page.

/** The JSON that the server put into the page under this id, or null. */
export function pageData(id) {
  const holder = document.getElementById(id);
  return holder ? JSON.parse(holder.textContent) : null;
}

const catalogue = pageData("words") ?? {};

export const language = document.documentElement.lang;

/** `text` in the page's language, with `{name}` replaced by `facts`. */
export function t(text, facts = {}) {
  return (catalogue[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => String(facts[name] ?? ""));
}
