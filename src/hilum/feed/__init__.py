"""Follow what is committed: each version is shown to a follower at least once, in the order of commits."""
