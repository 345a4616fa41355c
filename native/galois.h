#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cairn {

// The few sums over GF(2^8), modulo x^8 + x^4 + x^3 + x^2 + 1, that matrices of an erasure code need. ISA-L has them too, but
// looks its own gf_mul up by name, and node exports another function of that name.

/** Rows one after the other. */
using GaloisMatrix = std::vector<uint8_t>;

/** Product of two elements. */
uint8_t galoisProduct(uint8_t a, uint8_t b);

/** The element whose product with `a`, which is not zero, is one. */
uint8_t galoisInverse(uint8_t a);

/**
 * `columns` rows of the identity, then rows with 1 / (row xor column): a Cauchy matrix, so that any `columns` rows of all
 * can be inverted. rows > columns, rows <= 255.
 */
GaloisMatrix cauchyMatrix(size_t rows, size_t columns);

/** The inverse of a square matrix of `size` rows. Throws std::logic_error where there is none. */
GaloisMatrix inverseMatrix(GaloisMatrix matrix, size_t size);

}  // namespace cairn
