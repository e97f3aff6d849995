// What the page edits: the offers of one version, interval by interval, and what has changed in them.

const SIGN = { charge: -1, down: -1 };

/** A power with its sign: discharge positive. */
export const signed = (segment) => (SIGN[segment.direction] ?? 1) * Number(segment.power_mw);

const copy = (value) => JSON.parse(JSON.stringify(value));

/** Bands of an interval as a trader reads them: the deepest charge first, the dearest sale last. */
export function inOrder(segments) {
  const price = ({ price: p }) => (p == null ? -Infinity : Number(p));
  const ways = segments.map((segment, index) => ({ segment, index }));
  return ways.sort((a, b) => Math.sign(signed(a.segment)) - Math.sign(signed(b.segment)) || price(a.segment) - price(b.segment));
}

export class Offers {
  /** @param version a version of a bid, as the interface tells it */
  constructor(version, intervalMin) {
    this.version = version;
    this.hours = intervalMin / 60;
    this.reset();
  }

  reset() {
    this.intervals = copy(this.version.intervals);
  }

  /** Whether a band is as it was in the version. */
  same(index, place) {
    return JSON.stringify(this.intervals[index].segments[place]) === JSON.stringify(this.version.intervals[index].segments[place]);
  }

  get changed() {
    return this.intervals.filter((one, i) => JSON.stringify(one) !== JSON.stringify(this.version.intervals[i])).length;
  }

  /** Set a field of a band; why it stands there is then a person's. */
  set(index, place, name, value, why) {
    const segment = this.intervals[index].segments[place];
    segment[name] = value;
    const was = this.version.intervals[index].segments[place];
    segment.why = was && was.power_mw === segment.power_mw && was.price === segment.price ? was.why : why;
  }

  add(index, segment) {
    this.intervals[index].segments.push(segment);
  }

  /** Give the bands of one interval to all that offer the same way. */
  spread(index, why) {
    const given = this.intervals[index].segments;
    const way = given[0]?.direction;
    this.intervals.forEach((one, i) => {
      if (i !== index && one.segments.some(({ direction }) => direction === way)) one.segments = copy(given).map((segment) => ({ ...segment, why }));
    });
  }

  /** What is sent: bands without power are left out. */
  get offers() {
    return this.intervals.map((one) => ({ ...one, segments: one.segments.filter(({ power_mw: power }) => Number(power) !== 0) }));
  }

  /** Power that is offered at most in each interval, charge and discharge, MW. */
  most(sign) {
    return this.intervals.map(({ segments }) => segments.map(signed).filter((power) => power * sign > 0).reduce((a, b) => a + b, 0));
  }

  energy(sign) {
    return Math.abs(this.most(sign).reduce((a, b) => a + b, 0)) * this.hours;
  }

  get prices() {
    return this.intervals.flatMap(({ segments }) => segments.map(({ price }) => price).filter((price) => price != null).map(Number));
  }
}
