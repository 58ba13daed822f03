import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const css = readFileSync(new URL('../../../src/dashboard/assets/page.css', import.meta.url), 'utf8')
const [light = '', dark = ''] = Array.from(css.matchAll(/:root \{([^}]*)\}/g), ([, block]) => block)

function colours(block: string): Record<string, string> {
  return Object.fromEntries(
    Array.from(block.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g), ([, name, value]) => [name, value]),
  )
}

// WCAG 2.2, relative luminance and contrast ratio.
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(one: string, other: string): number {
  const [lower = 0, higher = 0] = [luminance(one), luminance(other)].sort((left, right) => left - right)
  return (higher + 0.05) / (lower + 0.05)
}

describe.each([
  ['light', colours(light)],
  ['dark', colours(dark)],
])('the %s colours', (_name, palette) => {
  const of = (name: string) => palette[name] ?? ''

  it.each(['text', 'muted', 'link', 'good', 'bad', 'warn'])(
    'of %s can be read on every ground it stands on (AA)',
    (name) => {
      for (const ground of ['page', 'card', 'hover']) {
        expect(contrast(of(name), of(ground)), `${name} on ${ground}`).toBeGreaterThanOrEqual(4.5)
      }
    },
  )

  it.each(['bad', 'warn'])('of a %s notice can be read on its own ground (AA)', (name) => {
    expect(contrast(of(name), of(`${name}-page`))).toBeGreaterThanOrEqual(4.5)
  })
})

describe('the contrast of this test', () => {
  it('is that of the standard: 21 for black on white', () => {
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5)
  })
})
