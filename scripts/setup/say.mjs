// One line of what the set-up does and why. On standard error, so that standard output stays the command's own.

export function say(line) {
  process.stderr.write(`setup: ${line}\n`)
}
