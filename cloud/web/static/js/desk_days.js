// The pages of bids: a day or a station that is chosen is shown at once.
import "./console.js";
import { all } from "./dom.js";

for (const field of all(".pick select, .pick input[name=date]")) field.addEventListener("change", () => field.form.requestSubmit());
