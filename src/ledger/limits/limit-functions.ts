// The text of the functions that the scripts of limits embed.
import { readFileSync } from 'node:fs'
import { fillTemplate } from '../fill-template.js'

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')

export const limitFunctionsLua = fillTemplate(read('./limit-functions.lua'), {
  LIMIT_KEYS: read('./limit-keys.lua'),
  LIMIT_RATES: read('./limit-rates.lua'),
  LIMIT_TAKING: read('./limit-taking.lua'),
})
