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

// The distance of numbers to the nearest of some rows of bytes from row `first` on.
function distances(numbers, bytes, step, first = 0, last = bytes.length / numbers.length) {
  return Float64Array.from({ length: last - first }, (_, row) => {
    const start = (first + row) * numbers.length;
    let sum = 0;
    for (let i = 0; i < numbers.length; i++) sum += (numbers[i] - step * bytes[start + i]) ** 2;
    return Math.sqrt(sum);
  });
}

function likely(digit, probability) {
  const percent = probability > 0.995 ? "over 99" : Math.round(100 * probability);
  return `${digit === 8 ? "an" : "a"} ${digit} (${percent} %)`;
}

// Whether a picture is like the digits that were learned, as familiarity.py asks it.
class Familiar {
  constructor({ eye, autoencoder, centres, ...others }) {
    Object.assign(this, others);
    [this.eye, this.autoencoder] = [eye, autoencoder].map(unpackedLayers);
    this.centres = bytesOf(centres);
  }

  #error(input) {
    const redrawn = run(this.autoencoder, input).data,
      sum = redrawn.reduce((all, one, i) => all + (one - input.data[i]) ** 2, 0);
    return sum / redrawn.length;
  }

  #distance(input, digit) {
    const { data } = run(this.eye, input),
      length = Math.hypot(...data),
      count = this.centres.length / data.length / 10; // of each class
    const parts = data.map((one) => one / length),
      range = [digit * count, (digit + 1) * count];
    return Math.min(...distances(parts, this.centres, this.step, ...range));
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
    Object.assign(this, others, { known, digits: new Uint8Array() });
    this.network = unpackedLayers(network);
    this.familiar = new Familiar(familiar);
    const unpack = async () => {
      this.digits = await inflated(known.digits);
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
      nearest: empty || !this.digits.length ? [] : [this.#nearest(input.data)],
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
      far = distances(picture, this.digits, 1 / 255);
    const places = ranked(far, (a, b) => a - b).slice(0, strip.names.length),
      names = places.map((at) => `${labels[at]} (${far[at].toFixed(1)})`);
    const pixels = new Uint8Array(places.length * picture.length);
    places.forEach((at, i) => {
      const start = at * picture.length;
      pixels.set(this.digits.subarray(start, start + picture.length), i * picture.length);
    });
    return { ...strip, names, pixels };
  }
}
