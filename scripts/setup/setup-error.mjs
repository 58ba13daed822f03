// The error of a set-up step that a person must act on: its message is shown alone, without a stack.

export class SetupError extends Error {
  name = 'SetupError'
}
