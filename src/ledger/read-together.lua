--[[
  Runs a few reads in one command. Each command costs its sender and Redis's connection more than such a read takes Redis, and
  an overview of many queues has twenty for each queue. It writes nothing: what stands in ARGV is of readTogether alone.

  KEYS     the keys of the reads
  ARGV     of each read the number of its words, then the words: a command, its key, its arguments
  Returns  the replies in order; in place of them the first error, as the read alone would have answered it
]]
local replies, at = {}, 1
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  local reply = redis.pcall(unpack(ARGV, at + 1, at + count))
  if type(reply) == 'table' and reply.err then
    return reply
  end
  replies[#replies + 1] = reply
  at = at + count + 1
end
return replies
