// The editor's model: the powers of one day, what was changed, what can be undone, what the limits say.
// Powers are MW with two decimals here; the cloud gets kW.

/** One-way losses of half the round trip fall on each direction (as the cloud's check has it). */
export function socPath(powers, facts, start) {
  const oneWay = Math.sqrt(facts.efficiency);
  const hours = facts.interval_min / 60;
  const path = new Array(powers.length + 1).fill(null);
  if (start.soc == null) return path;
  let level = start.soc;
  path[start.first] = level;
  for (let i = start.first; i < powers.length; i++) {
    const energy = powers[i] * 1000 * hours * (i === start.first ? start.share : 1);
    level -= (energy > 0 ? energy / oneWay : energy * oneWay) / facts.capacity_kwh;
    path[i + 1] = level;
  }
  return path;
}

export class ScheduleModel {
  constructor(base, facts) {
    this.base = [...base];
    this.powers = [...base];
    this.facts = facts;
    this.history = [];
    this.start = { soc: facts.soc, first: facts.first_open, share: facts.first_share };
  }

  get size() { return this.powers.length; }

  get changed() { return this.powers.filter((p, i) => p !== this.base[i]).length; }

  locked(i) { return i < this.start.first; }

  /** Set points; past ones stay. Returns how many were set. */
  set(indices, values) {
    const open = indices.map((index, k) => [index, values[Math.min(k, values.length - 1)]]).filter(([index]) => index < this.size && !this.locked(index));
    if (!open.length) return 0;
    this.history.push([...this.powers]);
    for (const [index, power] of open) this.powers[index] = Math.round(power * 100) / 100;
    return open.length;
  }

  undo() {
    if (!this.history.length) return false;
    this.powers = this.history.pop();
    return true;
  }

  reset() {
    this.history.push([...this.powers]);
    this.powers = [...this.base];
  }

  /** What the page's own check says: broken points with the kind of limit, energies, SOC range. */
  check() {
    const { facts, powers, start } = this;
    const soc = socPath(powers, facts, start);
    const broken = new Map();
    powers.forEach((p, i) => {
      if (this.locked(i)) return;
      if (Math.abs(p) > facts.rated_kw / 1000 + 1e-6) broken.set(i, "over_rating");
      else if (p > 0 && soc[i + 1] != null && soc[i + 1] < facts.soc_min) broken.set(i, "below_soc_band");
      else if (p < 0 && soc[i + 1] != null && soc[i + 1] > facts.soc_max) broken.set(i, "above_soc_band");
    });
    const hours = facts.interval_min / 60;
    const energy = (sign) => powers.reduce((sum, p) => sum + Math.max(0, sign * p), 0) * hours;
    const known = soc.filter((v) => v != null);
    return {
      soc, broken,
      blocked: [...broken.values()].includes("over_rating"),
      charged: energy(-1), discharged: energy(1),
      range: known.length ? [Math.min(...known), Math.max(...known)] : null,
    };
  }
}

/** Numbers of a pasted block, row by row; `bad` holds what is no number. */
export function readBlock(text, readNumber) {
  const fields = text.replace(/\r/g, "").split("\n").filter((line) => line.trim() !== "").flatMap((line) => splitLine(line));
  const numbers = [];
  const bad = [];
  for (const field of fields) {
    const found = readNumber(field);
    if (Number.isNaN(found)) bad.push(field.trim()); else numbers.push(found);
  }
  return { numbers, bad };
}

function splitLine(line) {
  if (/[\t;]/.test(line)) return line.split(/[\t;]/).filter((field) => field.trim() !== "");
  // "1,5" is one number with a decimal comma; "1.5, 2.0, 3" is a list.
  if (/,\s/.test(line) || (line.match(/,/g) ?? []).length > 1) return line.split(",").filter((field) => field.trim() !== "");
  return line.trim().split(/\s+(?=[+\-\u2212\d.,])/);
}
