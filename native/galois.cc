#include "galois.h"

#include <algorithm>
#include <stdexcept>

namespace cairn {

namespace {

constexpr unsigned kPolynomial = 0x11d;

/** target row += factor * source row. */
void addRow(GaloisMatrix& matrix, size_t size, size_t target, size_t source, uint8_t factor) {
  for (size_t column = 0; column < size; column++) {
    matrix[target * size + column] ^= galoisProduct(factor, matrix[source * size + column]);
  }
}

void scaleRow(GaloisMatrix& matrix, size_t size, size_t row, uint8_t factor) {
  for (size_t column = 0; column < size; column++) {
    matrix[row * size + column] = galoisProduct(factor, matrix[row * size + column]);
  }
}

/** The first row from `column` on that has something in this column. */
size_t pivotOf(const GaloisMatrix& matrix, size_t size, size_t column) {
  for (size_t row = column; row < size; row++) {
    if (matrix[row * size + column] != 0) return row;
  }
  throw std::logic_error("the matrix has no inverse");
}

void swapRows(GaloisMatrix& matrix, size_t size, size_t a, size_t b) {
  if (a == b) return;
  const auto first = matrix.begin() + static_cast<ptrdiff_t>(a * size);
  const auto second = matrix.begin() + static_cast<ptrdiff_t>(b * size);
  std::swap_ranges(first, first + static_cast<ptrdiff_t>(size), second);
}

}  // namespace

uint8_t galoisProduct(uint8_t a, uint8_t b) {
  unsigned sum = 0;
  unsigned shifted = a;
  for (unsigned bits = b; bits != 0; bits >>= 1) {
    if (bits & 1) sum ^= shifted;
    shifted <<= 1;
    if (shifted & 0x100) shifted ^= kPolynomial;
  }
  return static_cast<uint8_t>(sum);
}

uint8_t galoisInverse(uint8_t a) {
  // a^254, as a^255 is one: 254 = 2 + 4 + ... + 128.
  uint8_t power = a;
  uint8_t inverse = 1;
  for (int bit = 1; bit < 8; bit++) {
    power = galoisProduct(power, power);
    inverse = galoisProduct(inverse, power);
  }
  return inverse;
}

GaloisMatrix cauchyMatrix(size_t rows, size_t columns) {
  GaloisMatrix matrix(rows * columns, 0);
  for (size_t i = 0; i < columns; i++) matrix[i * columns + i] = 1;
  for (size_t row = columns; row < rows; row++) {
    for (size_t column = 0; column < columns; column++) {
      matrix[row * columns + column] = galoisInverse(static_cast<uint8_t>(row ^ column));
    }
  }
  return matrix;
}

GaloisMatrix inverseMatrix(GaloisMatrix matrix, size_t size) {
  GaloisMatrix inverse(size * size, 0);
  for (size_t i = 0; i < size; i++) inverse[i * size + i] = 1;
  for (size_t column = 0; column < size; column++) {
    const size_t pivot = pivotOf(matrix, size, column);
    swapRows(matrix, size, column, pivot);
    swapRows(inverse, size, column, pivot);
    const uint8_t factor = galoisInverse(matrix[column * size + column]);
    scaleRow(matrix, size, column, factor);
    scaleRow(inverse, size, column, factor);
    for (size_t row = 0; row < size; row++) {
      const uint8_t surplus = matrix[row * size + column];
      if (row == column || surplus == 0) continue;
      addRow(matrix, size, row, column, surplus);
      addRow(inverse, size, row, column, surplus);
    }
  }
  return inverse;
}

}  // namespace cairn
