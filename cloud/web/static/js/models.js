// What a person does to models: upload, approve, withdraw, and the orders that bring them to stations.
import { ask } from "./console.js";
import { one, say, write } from "./dom.js";
import { t } from "./words.js";

const DAY_S = 86_400;
const done = {
  upload: () => t("The package is uploaded. A second person must approve it."),
  approve: () => t("The model is approved."),
  withdraw: () => t("The model is withdrawn."),
  deploy: () => t("The order was sent. The station's receipt is awaited."),
  promote: () => t("The order was sent. The station's receipt is awaited."),
  rollback: () => t("The order was sent. The station's receipt is awaited."),
};

async function act(kind, path, body) {
  const place = one("#told");
  let words = done[kind]();
  let bad = false;
  try {
    await ask(path, { method: "POST", body });
  } catch (error) {
    words = t("Nothing was done: {reason}", { reason: error.message });
    bad = true;
  }
  place.className = bad ? "msg stop" : "msg info";
  place.hidden = false;
  write(place, words);
  say(words);
  document.body.dispatchEvent(new Event("sm:acted"));
}

const paths = {
  approve: (sha) => `/api/v1/models/${sha}/approve`,
  withdraw: (sha) => `/api/v1/models/${sha}/withdraw`,
  deploy: (_, station) => `/api/v1/stations/${encodeURIComponent(station)}/models/deploy`,
  promote: (_, station) => `/api/v1/stations/${encodeURIComponent(station)}/models/promote`,
  rollback: (_, station) => `/api/v1/stations/${encodeURIComponent(station)}/models/rollback`,
};

function content(kind, sha, { note, reason, days, auto }) {
  if (kind === "approve") return { note: note.value.trim() };
  if (kind === "withdraw") return { reason: reason.value.trim() };
  const order = { sha256: sha, reason: reason.value.trim() };
  return kind === "deploy" ? { ...order, shadow_s: Number(days.value) * DAY_S, auto_promote: auto.checked } : order;
}

// What it acts on is settled when the dialog opens, whatever the table shows afterwards.
function open(kind, { model: sha, title }, place) {
  const dialog = one(`#${kind}`);
  const form = one("form", dialog);
  form.reset();
  write(one("[data-of]", dialog), title);
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue !== "ok") return;
    const station = place ?? form.elements.station?.value;
    act(kind, paths[kind](sha, station), content(kind, sha, form.elements));
  };
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-order]");
  if (button) open(button.dataset.order, button.closest("[data-model]").dataset, button.closest("[data-place]")?.dataset.place);
});

one("#upload")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [file] = event.target.elements.package.files;
  await act("upload", "/api/v1/models", file);
  event.target.reset();
});
