"""The session: pure rules inside, one thin actor around them."""
