-- What every script begins with. KEYS[1] is what all names begin with.
local base = KEYS[1]

local function remove(id)
  local size = redis.call('HGET', base .. 'sizes', id)
  redis.call('DEL', base .. 'entry:' .. id)
  for _, order in ipairs({'used', 'expires', 'created'}) do
    redis.call('ZREM', base .. order, id)
  end
  redis.call('HDEL', base .. 'hits', id)
  if not size then
    return 0
  end
  redis.call('HDEL', base .. 'sizes', id)
  redis.call('DECRBY', base .. 'bytes', size)
  return 1
end
