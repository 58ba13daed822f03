--[[
  Part of commit.lua and close-batch.lua: keeps a job for a queue of another slot of the cluster, where no script of this
  slot can write, in the outbox of this queue. outbox.ts tells how it gets there. Its words are: queue, job id, then
  those of add-staged-job.lua from `kind` on.
]]
-- The reason why the job could not be kept, or nothing.
local function checkOutbox(base, queue)
  for key, need in pairs({ [base .. 'outboxes'] = 'hash', [base .. 'outbox:' .. queue] = 'stream' }) do
    local now = redis.call('TYPE', key).ok
    if now ~= 'none' and now ~= need then
      return 'the key ' .. key .. ' holds a ' .. now .. ', the outbox needs a ' .. need
    end
  end
end

local function putInOutbox(base, words)
  redis.call('HSETNX', base .. 'outboxes', words[1], '0')
  redis.call('XADD', base .. 'outbox:' .. words[1], '*', 'id', words[2], 'job', cmsgpack.pack({ unpack(words, 3) }))
end
