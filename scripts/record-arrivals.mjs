// Makes test/support/recorded-arrivals.json, the arrivals that autoscaling is tested over, out of two public recordings in the
// npm package vega-datasets 2.11.0: `npm pack vega-datasets@2.11.0 && tar xzf vega-datasets-2.11.0.tgz`, then
// `node scripts/record-arrivals.mjs package/data`. The same files give the same numbers.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [folder = ''] = process.argv.slice(2)
const read = (file) => JSON.parse(readFileSync(join(folder, file), 'utf8'))

/** How many of these times, in minutes from the first one on, fall into each minute. */
function countMinutes(minutes, length) {
  const counts = new Array(length).fill(0)
  for (const minute of minutes) counts[minute]++
  return counts
}

// `time` is the hour of the day of a departure, with its minutes as a fraction. Of all in order every eighth.
const departures = read('flights-200k.json')
  .map(({ time }) => Math.floor(time * 60 + 1e-6))
  .sort((a, b) => a - b)
  .filter((_, index) => index % 8 === 0)

// A week at sixty times its pace: an hour is a minute.
const times = read('earthquakes.json').features.map(({ properties }) => properties.time)
const first = Math.min(...times)
const quakes = times.map((time) => Math.floor((time - first) / 3_600_000))

const recorded = {
  flights: {
    source:
      'Departures of flights in the USA in early 2001, by their minute of the day (Bureau of Transportation Statistics; flights-200k.json of vega-datasets 2.11.0), every eighth.',
    perMinute: countMinutes(departures, 24 * 60),
  },
  earthquakes: {
    source:
      'Earthquakes of the world from 2018-01-31 to 2018-02-07 (US Geological Survey, all_week.geojson; earthquakes.json of vega-datasets 2.11.0), an hour as a minute.',
    perMinute: countMinutes(quakes, Math.max(...quakes) + 1),
  },
}
const file = fileURLToPath(new URL('../test/support/recorded-arrivals.json', import.meta.url))
writeFileSync(file, `${JSON.stringify(recorded)}\n`)
