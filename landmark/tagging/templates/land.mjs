// Writes land.js, the map's outline of land and borders. Source: Natural Earth 1:110m (public domain), as packed by Mike Bostock's world-atlas 2.0.2 (ISC).
//   npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz && node land.mjs package/countries-110m.json > land.js
import { readFileSync } from "node:fs";

const SIDE = 4096; // of the Mercator square: 0.088 degrees a step, finer than the source's outline
const topology = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { scale, translate } = topology.transform;

const arcs = topology.arcs.map((arc) => {
  let x = 0,
    y = 0;
  return arc.map(([dx, dy]) => {
    x += dx;
    y += dy;
    const lat = (Math.max(-85, Math.min(85, y * scale[1] + translate[1])) * Math.PI) / 180;
    const lon = x * scale[0] + translate[0];
    return [
      Math.round(((lon + 180) / 360) * SIDE),
      Math.round((0.5 - Math.log(Math.tan(Math.PI / 4 + lat / 2)) / (2 * Math.PI)) * SIDE),
    ];
  });
});
const along = (i) => (i < 0 ? [...arcs[~i]].reverse() : arcs[i]);
const path = (points, closed) => {
  let [x, y] = points[0],
    out = `M${x} ${y}l`,
    steps = 0;
  for (const [px, py] of points.slice(1)) {
    if (px === x && py === y) continue;
    out += `${px - x < 0 || !steps ? "" : " "}${px - x}${py - y < 0 ? "" : " "}${py - y}`;
    [x, y] = [px, py];
    steps++;
  }
  return steps < (closed ? 3 : 1) ? "" : out + (closed ? "z" : "");
};

// A ring over the antimeridian is followed past the edge and drawn at both edges; the one around the pole is closed below the map.
const drawn = (points) => {
  let turns = 0;
  const whole = points.map(([x, y], n) => {
    const step = n ? x - points[n - 1][0] : 0;
    turns += step > SIDE / 2 ? -1 : step < -SIDE / 2 ? 1 : 0;
    return [x + turns * SIDE, y];
  });
  const end = whole.at(-1),
    start = whole[0];
  if (turns && end[0] !== start[0]) whole.push([end[0], SIDE], [start[0], SIDE]);
  const xs = whole.map(([x]) => x);
  const shifts = [0, ...(Math.max(...xs) > SIDE ? [-SIDE] : []), ...(Math.min(...xs) < 0 ? [SIDE] : [])];
  return shifts
    .map((shift) =>
      path(
        whole.map(([x, y]) => [x + shift, y]),
        true,
      ),
    )
    .join("");
};
const rings = topology.objects.land.geometries.flatMap((g) => (g.type === "Polygon" ? g.arcs : g.arcs.flat()));
const land = rings.map((ring) => drawn(ring.flatMap((i, n) => along(i).slice(n ? 1 : 0)))).join("");

const users = new Map(); // a border is an arc that two countries share
topology.objects.countries.geometries.forEach((country, n) => {
  for (const i of country.arcs.flat(Infinity)) users.set(i < 0 ? ~i : i, (users.get(i < 0 ? ~i : i) ?? new Set()).add(n));
});
const borders = [...users]
  .filter(([, by]) => by.size > 1)
  .map(([i]) => path(arcs[i], false))
  .join("");

process.stdout
  .write(`// Natural Earth 1:110m land and borders (public domain), from world-atlas 2.0.2 (ISC), Mercator; made by land.mjs.
const LAND = { side: ${SIDE}, land: "${land}", borders: "${borders}" };
`);
