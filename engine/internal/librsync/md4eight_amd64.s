#include "textflag.h"

// MD4 can't be split: each of its 48 steps for a piece of 64 bytes waits for the
// one before. So eight blocks are hashed side by side, each in its own 32-bit
// lane of AVX2's registers: Y0 to Y3 hold a, b, c and d of all eight.
//
// Go hands over SI, the first block's piece; DX, the fifth's; R8, the distance
// between blocks, and R9, three times that. BX is where the words of the piece
// lie, word i of all blocks at 32*i.

// WORDS takes words i to i+3 of the piece: four bytes of eight blocks, turned.
#define WORDS(i) \
	VMOVDQU     (4*i)(SI), X4               \
	VMOVDQU     (4*i)(SI)(R8*1), X5         \
	VMOVDQU     (4*i)(SI)(R8*2), X6         \
	VMOVDQU     (4*i)(SI)(R9*1), X7         \
	VINSERTI128 $1, (4*i)(DX), Y4, Y4       \
	VINSERTI128 $1, (4*i)(DX)(R8*1), Y5, Y5 \
	VINSERTI128 $1, (4*i)(DX)(R8*2), Y6, Y6 \
	VINSERTI128 $1, (4*i)(DX)(R9*1), Y7, Y7 \
	VPUNPCKLDQ  Y5, Y4, Y8                  \
	VPUNPCKHDQ  Y5, Y4, Y9                  \
	VPUNPCKLDQ  Y7, Y6, Y10                 \
	VPUNPCKHDQ  Y7, Y6, Y11                 \
	VPUNPCKLQDQ Y10, Y8, Y4                 \
	VPUNPCKHQDQ Y10, Y8, Y5                 \
	VPUNPCKLQDQ Y11, Y9, Y6                 \
	VPUNPCKHQDQ Y11, Y9, Y7                 \
	VMOVDQA     Y4, (32*i)(BX)              \
	VMOVDQA     Y5, (32*i+32)(BX)           \
	VMOVDQA     Y6, (32*i+64)(BX)           \
	VMOVDQA     Y7, (32*i+96)(BX)

// TURN adds Y4 to a and rotates it by s bits.
#define TURN(a, s) \
	VPADDD Y4, a, a        \
	VPSLLD $s, a, Y5       \
	VPSRLD $(32-s), a, a   \
	VPOR   Y5, a, a

// The steps of the three rounds (RFC 1320, 3.4), for word i.
// ONE: a = (a + x + (((c^d)&b)^d)) <<< s
#define ONE(a, b, c, d, i, s) \
	VPADDD (32*i)(BX), a, a \
	VPXOR  c, d, Y4         \
	VPAND  b, Y4, Y4        \
	VPXOR  d, Y4, Y4        \
	TURN(a, s)

// TWO: a = (a + x + k + (c&d) + (b&(c^d))) <<< s. The last two have no bit in
// common, so their sum is the RFC's majority, and only one waits for b.
#define TWO(a, b, c, d, i, s) \
	VPADDD (32*i)(BX), a, a \
	VPADDD Y14, a, a        \
	VPAND  c, d, Y6         \
	VPADDD Y6, a, a         \
	VPXOR  c, d, Y4         \
	VPAND  b, Y4, Y4        \
	TURN(a, s)

// THREE: a = (a + x + k + (b^c^d)) <<< s
#define THREE(a, b, c, d, i, s) \
	VPADDD (32*i)(BX), a, a \
	VPADDD Y15, a, a        \
	VPXOR  c, d, Y4         \
	VPXOR  b, Y4, Y4        \
	TURN(a, s)

// Four steps, of words i, j, k and l.
#define FOUR(STEP, i, j, k, l, s, t, u, v) \
	STEP(Y0, Y1, Y2, Y3, i, s) \
	STEP(Y3, Y0, Y1, Y2, j, t) \
	STEP(Y2, Y3, Y0, Y1, k, u) \
	STEP(Y1, Y2, Y3, Y0, l, v)

DATA rootOfTwo<>+0(SB)/4, $0x5a827999
GLOBL rootOfTwo<>(SB), RODATA, $4
DATA rootOfThree<>+0(SB)/4, $0x6ed9eba1
GLOBL rootOfThree<>(SB), RODATA, $4

// func md4BlockEights(h *[4][md4Lanes]uint32, p []byte, stride, pieces int)
TEXT ·md4BlockEights(SB), 0, $544-48
	MOVQ h+0(FP), DI
	MOVQ p_base+8(FP), SI
	MOVQ stride+32(FP), R8
	MOVQ pieces+40(FP), CX
	LEAQ (R8)(R8*2), R9
	LEAQ 31(SP), BX        // the frame has 32 bytes more than the words, to align them
	ANDQ $~31, BX

	VPBROADCASTD rootOfTwo<>(SB), Y14
	VPBROADCASTD rootOfThree<>(SB), Y15
	VMOVDQU      0(DI), Y0
	VMOVDQU      32(DI), Y1
	VMOVDQU      64(DI), Y2
	VMOVDQU      96(DI), Y3
	TESTQ        CX, CX
	JZ           done

piece:
	LEAQ (SI)(R8*4), DX
	WORDS(0)
	WORDS(4)
	WORDS(8)
	WORDS(12)

	FOUR(ONE, 0, 1, 2, 3, 3, 7, 11, 19)
	FOUR(ONE, 4, 5, 6, 7, 3, 7, 11, 19)
	FOUR(ONE, 8, 9, 10, 11, 3, 7, 11, 19)
	FOUR(ONE, 12, 13, 14, 15, 3, 7, 11, 19)

	FOUR(TWO, 0, 4, 8, 12, 3, 5, 9, 13)
	FOUR(TWO, 1, 5, 9, 13, 3, 5, 9, 13)
	FOUR(TWO, 2, 6, 10, 14, 3, 5, 9, 13)
	FOUR(TWO, 3, 7, 11, 15, 3, 5, 9, 13)

	FOUR(THREE, 0, 8, 4, 12, 3, 9, 11, 15)
	FOUR(THREE, 2, 10, 6, 14, 3, 9, 11, 15)
	FOUR(THREE, 1, 9, 5, 13, 3, 9, 11, 15)
	FOUR(THREE, 3, 11, 7, 15, 3, 9, 11, 15)

	VPADDD  0(DI), Y0, Y0
	VPADDD  32(DI), Y1, Y1
	VPADDD  64(DI), Y2, Y2
	VPADDD  96(DI), Y3, Y3
	VMOVDQU Y0, 0(DI)
	VMOVDQU Y1, 32(DI)
	VMOVDQU Y2, 64(DI)
	VMOVDQU Y3, 96(DI)
	ADDQ    $64, SI
	DECQ    CX
	JNZ     piece

done:
	VZEROUPPER
	RET
