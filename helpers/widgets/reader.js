// What a network makes of a drawing, computed in the page; sketchpad.py says the same with torch,
// and tests/page/test_sketchpad_page.py compares the two.

import { bytesOf } from "./heat.js";
import { run, tensor, unpackedLayers } from "./network.js";
import { mnistForm, rawForm } from "./strokes.js";

const PROBABILITIES = [{ kind: "Softmax", dim: 1 }];
const greys = (numbers, most = 1) => Uint8Array.from(numbers, (one) => (255 * one) / most + 0.5);
// The places of the numbers, the best first; `better` is below 0 where the first is.
const ranked = (numbers, better) =>
  [...numbers.keys()].sort((a, b) => better(numbers[a], numbers[b]));

async function inflated(text) {
  const packed = new Blob([bytesOf(text)]).stream();
  const bytes = packed.pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(bytes).arrayBuffer());
}

const squares = (numbers) => numbers.reduce((sum, one) => sum + one ** 2, 0);

// How far numbers are from each row of a table of bytes, of which each stands for a step. The rows'
// squares are known, so that numbers that are 0, as most are, take no time.
function distances(numbers, { bytes, step, lengths }, first = 0, last = lengths.length) {
  const size = numbers.length,
    some = [...numbers.keys()].filter((i) => numbers[i]),
    own = squares(numbers);
  return Float64Array.from({ length: last - first }, (_, row) => {
    const start = (first + row) * size;
    let product = 0;
    for (const i of some) product += numbers[i] * bytes[start + i];
    const square = own - 2 * step * product + step ** 2 * lengths[first + row];
    return Math.sqrt(Math.max(square, 0));
  });
}

function table(bytes, size, step) {
  const row = (i) => bytes.subarray(i * size, (i + 1) * size);
  const lengths = Array.from({ length: bytes.length / size }, (_, i) => squares(row(i)));
  return { bytes, step, lengths };
}

function likely(digit, probability) {
  const percent = probability > 0.995 ? "over 99" : Math.round(100 * probability);
  return `${digit === 8 ? "an" : "a"} ${digit} (${percent} %)`;
}

// Whether a picture is like the digits that were learned, as familiarity.py asks it.
class Familiar {
  constructor({ eye, autoencoder, centres, step, size, ...others }) {
    Object.assign(this, others);
    [this.eye, this.autoencoder] = [eye, autoencoder].map(unpackedLayers);
    this.centres = table(bytesOf(centres), size, step);
  }

  #error(input) {
    const redrawn = run(this.autoencoder, input).data,
      sum = redrawn.reduce((all, one, i) => all + (one - input.data[i]) ** 2, 0);
    return sum / redrawn.length;
  }

  #distance(input, digit) {
    const { data } = run(this.eye, input),
      length = Math.hypot(...data),
      count = this.centres.lengths.length / 10; // of each class
    const parts = data.map((one) => one / length),
      range = [digit * count, (digit + 1) * count];
    return Math.min(...distances(parts, this.centres, ...range));
  }

  flaw(input, digit) {
    if (this.#error(input) > this.error)
      return `an autoencoder of digits cannot redraw it from ${this.numbers} numbers`;
    if (this.#distance(input, digit) > this.distance)
      return `it is far from every kind of ${digit} in training`;
    return "";
  }
}

export class Reader {
  // `ready` is called when the training digits are there: they are unpacked beside all else.
  constructor({ network, familiar, known, ...others }, ready) {
    Object.assign(this, others, { known });
    this.network = unpackedLayers(network);
    this.familiar = new Familiar(familiar);
    const unpack = async () => {
      this.digits = table(await inflated(known.digits), this.form.side ** 2, 1 / 255);
      ready();
    };
    unpack().catch(() => {}); // an old browser shows no neighbours
  }

  read(strokes, pen, centred) {
    const { form } = this,
      { side } = form,
      picture = (centred ? mnistForm : rawForm)(strokes, pen, form);
    const input = tensor([1, 1, side, side], Float32Array.from(picture)),
      heard = {};
    const made = run(this.network, input, ({ name }, { data }) => (heard[name] = data)),
      probabilities = [...run(PROBABILITIES, made).data];
    const empty = !input.data.some(Boolean);
    return {
      picture: greys(picture),
      probabilities,
      answer: empty ? "The pad is empty: draw a digit." : this.#said(input, probabilities),
      maps: this.maps.map((strip) => this.#strip(strip, heard[strip.layer])),
      nearest: empty || !this.digits ? [] : [this.#nearest(input.data)],
    };
  }

  #said(input, probabilities) {
    const places = ranked(probabilities, (a, b) => b - a).slice(0, 2),
      largest = probabilities[places[0]];
    const [one, other] = places.map((digit) => likely(digit, probabilities[digit])),
      none = "This is no digit that I know";
    if (largest < this.unsure) return `${none}: the most likely would be ${one}.`;
    const flaw = this.familiar.flaw(input, places[0]);
    if (flaw) return `${none}: the softmax gives ${one}, but ${flaw}.`;
    return largest >= this.sure ? `This is ${one}.` : `Perhaps ${one}, perhaps ${other}.`;
  }

  // The maps after ReLU, as many as there are names.
  #strip(strip, data) {
    const shown = data.slice(0, strip.names.length * strip.size[0] * strip.size[1]);
    const most = shown.reduce((most, one) => Math.max(most, one), 0) || 1;
    return {
      ...strip,
      pixels: greys(
        shown.map((one) => Math.max(one, 0)),
        most,
      ),
    };
  }

  #nearest(picture) {
    const { strip, labels } = this.known,
      far = distances(picture, this.digits);
    const places = ranked(far, (a, b) => a - b).slice(0, strip.names.length),
      names = places.map((at) => `${labels[at]} (${far[at].toFixed(1)})`);
    const pixels = places.flatMap((at) => {
      const start = at * picture.length;
      return [...this.digits.bytes.subarray(start, start + picture.length)];
    });
    return { ...strip, names, pixels: Uint8Array.from(pixels) };
  }
}
