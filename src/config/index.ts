// The door of src/config: Drover's settings, and the files of the user's that it imports.
export { importFile } from './import-file.js'
export { findJobFiles, type LoadedModule, loadModules } from './load-modules.js'
export { type LoadSettingsOptions, loadSettings } from './load-settings.js'
export {
  type DroverConfig,
  defineConfig,
  type LogFormat,
  type LogLevel,
  type SettingName,
  type Settings,
} from './settings.js'
export { SETTINGS_TABLE, type SettingRow } from './settings-table.js'
