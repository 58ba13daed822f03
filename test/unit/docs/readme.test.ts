import { expect, test } from 'vitest'
import { EXIT_CODES } from '../../../src/cli/exit-codes.js'
import { VERBS } from '../../../src/cli/verb.js'
import { SETTINGS_TABLE } from '../../../src/config/index.js'
import { REDIS_ENVIRONMENT } from '../../../src/redis/index.js'
import { plain, read, rows, sections } from './documents.js'

test('the table of settings is the one that the settings are read by', () => {
  const expected = SETTINGS_TABLE.map((row) => [row.name, row.flag, row.env.join(', '), row.default, row.meaning])
  expect(rows('README.md', 'settings').map((cells) => cells.map(plain))).toEqual(expected)
})

test('every variable that may name a file is named', () => {
  const secrets = SETTINGS_TABLE.filter(({ name, secret }) => secret && name !== 'redis').flatMap(({ env }) => env)
  const variables = [...REDIS_ENVIRONMENT.filter((name) => name.endsWith('_FILE')), ...secrets.map((x) => `${x}_FILE`)]
  for (const variable of variables) expect(read('README.md')).toContain(`\`${variable}\``)
})

test('the table of commands has every command with its summary', () => {
  const expected = Object.entries(VERBS).map(([name, { summary }]) => [`drover ${name}`, summary])
  expect(rows('README.md', 'commands').map((cells) => cells.map(plain))).toEqual(expected)
})

test('the table of exit codes is the one that the command ends by', () => {
  const expected = Object.values(EXIT_CODES).map(({ code, meaning }) => [String(code), meaning])
  expect(rows('README.md', 'exit codes')).toEqual(expected)
})

test('the place for measured figures is there, once', () => {
  expect(sections('README.md', 'bench')).toHaveLength(1)
})

const { version } = JSON.parse(read('package.json')) as { version: string }

test('the package that npm pack makes has the name that is given', () => {
  expect(read('README.md').match(/drover-[\d.]+\.tgz/g)).toEqual([`drover-${version}.tgz`])
})

test('the changelog opens with what is not released, and names the version of the package', () => {
  const changelog = read('CHANGELOG.md')
  expect(changelog.match(/^## .*$/m)?.[0]).toBe('## [Unreleased]')
  expect(changelog).toContain(version)
})
