// Texts of the page's language. English is the key; the catalogue travels with the page.

/** The JSON that the server put into the page under this id, or null. */
export function pageData(id) {
  const holder = document.getElementById(id);
  return holder ? JSON.parse(holder.textContent) : null;
}

const catalogue = pageData("words") ?? {};

export const language = document.documentElement.lang;

/** A number and its unit stay on one line. */
const bind = (text) => text.replace(/(\d) (?=(?:°C|%|MWh?|mV|V|A|K|s|min|h)(?![A-Za-z]))/g, "$1\u00a0");

/** Sentences one after the other: Chinese needs no space after its full stop. */
export const sentences = (...parts) => parts.filter(Boolean).join(language.startsWith("zh") ? "" : " ");

/** `text` in the page's language, with `{name}` replaced by `facts`. */
export function t(text, facts = {}) {
  return bind((catalogue[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => String(facts[name] ?? "")));
}
