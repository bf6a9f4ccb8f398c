"""The generator of `alpha-mini`: 48 transparent pictures, drawn with arithmetic that is equal everywhere.

Only sums, products, quotients, square roots, comparisons and integer hashes are used: each is rounded in
one way by every machine that follows IEEE 754, so the pixels are the same bit for bit. No sine, exponential
or power of a mathematics library, no sum whose order a processor could choose, no random numbers of NumPy.
"""
