"""Who asks, and what they may: a token becomes a Principal, its scopes a Policy that is part of every query."""
