-- ARGV: ids. Returns how many were there.
local gone = 0
for _, id in ipairs(ARGV) do
  gone = gone + remove(id)
end
return gone
