// A drawing as a picture of 28×28 grey levels from 0 to 1; sketchpad.py says the same with torch.
// Segments are [x, y, right, down]: a point in pixels, and the way to the next.

const LEAST = 1e-9; // of the square of a segment's length, as a dot has none
export const within = (value, low, high) => Math.min(Math.max(value, low), high);

// Each point and the next of its stroke, and the last twice.
const segments = (strokes) =>
  strokes.flatMap((stroke) =>
    stroke.map(([x, y], i) => {
      const [right, down] = stroke[i + 1] ?? [x, y];
      return [x, y, right - x, down - y];
    }),
  );

const moved = (drawn, scale, [right, down]) =>
  drawn.map(([x, y, ...way]) => [
    x * scale + right,
    y * scale + down,
    ...way.map((part) => part * scale),
  ]);

function apart(column, row, [x, y, right, down]) {
  const along = (column - x) * right + (row - y) * down,
    share = within(along / Math.max(right ** 2 + down ** 2, LEAST), 0, 1);
  return Math.hypot(column - x - share * right, row - y - share * down);
}

// How grey a pixel is follows from how near its middle is to the nearest segment; those that are
// too far from one are left out.
function ink(drawn, pen, side) {
  const picture = new Float64Array(side ** 2),
    reach = pen / 2 + 0.5;
  const range = (start, way) => [
    Math.max(0, Math.ceil(start + Math.min(way, 0) - reach)),
    Math.min(side - 1, Math.floor(start + Math.max(way, 0) + reach)),
  ];
  for (const segment of drawn) {
    const [left, right] = range(segment[0], segment[2]),
      [top, bottom] = range(segment[1], segment[3]);
    for (let row = top; row <= bottom; row++)
      for (let column = left; column <= right; column++) {
        const at = row * side + column,
          grey = within(reach - apart(column, row, segment), 0, 1);
        picture[at] = Math.max(picture[at], grey);
      }
  }
  return picture;
}

// How far the centre of mass is from the middle's pixel, in x and in y.
function offCentre(picture, side) {
  const sums = [0, 0, 0];
  picture.forEach((grey, at) => {
    const place = [at % side, Math.floor(at / side), 1];
    place.forEach((part, i) => {
      sums[i] += part * grey;
    });
  });
  return [0, 1].map((axis) => side / 2 - sums[axis] / sums[2]);
}

// In MNIST's form: in a box of 20×20, with the centre of mass at row and column 14.
export function mnistForm(strokes, width, { side, box, thinnest, thickest }) {
  const drawn = segments(strokes);
  if (!drawn.length) return new Float64Array(side ** 2);
  const ends = [0, 1].map((axis) => drawn.map((one) => one[axis])),
    low = ends.map((values) => Math.min(...values)),
    size = ends.map((values, axis) => Math.max(...values) - low[axis]);
  const extent = Math.max(...size),
    pen = within((box * width) / (extent + width), thinnest, thickest),
    scale = extent > width ? (box - pen) / extent : pen / width;
  const middle = (side - 1) / 2;
  const placed = moved(
    drawn,
    scale,
    low.map((start, axis) => middle - scale * (start + size[axis] / 2)),
  );
  const shift = offCentre(ink(placed, pen, side), side).map((far, axis) => {
    const room = middle - (size[axis] * scale + pen) / 2;
    return within(far, -room, room);
  });
  return ink(moved(placed, 1, shift), pen, side);
}

// The pad as it is, only shrunk.
export const rawForm = (strokes, width, { side }) =>
  ink(moved(segments(strokes), side, [-0.5, -0.5]), width * side, side);
