--[[
  The first part of one field of a hash: an input of megabytes must not cross the network, nor be parsed, to show its
  beginning. A script, because Redis has no command that reads a part of a field. It changes nothing.

  KEYS[1]  hash
  ARGV[1]  field
  ARGV[2]  most bytes
  Returns  text, or false without the field
]]
local text = redis.call('HGET', KEYS[1], ARGV[1])
return text and string.sub(text, 1, tonumber(ARGV[2]))
