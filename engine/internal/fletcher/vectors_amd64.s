#include "textflag.h"

// The weights of a vector's bytes: how many of its bytes, from there on, come in.
DATA weights<>+0(SB)/8, $0x191a1b1c1d1e1f20
DATA weights<>+8(SB)/8, $0x1112131415161718
DATA weights<>+16(SB)/8, $0x090a0b0c0d0e0f10
DATA weights<>+24(SB)/8, $0x0102030405060708
GLOBL weights<>(SB), RODATA, $32

DATA ones<>+0(SB)/4, $0x00010001
GLOBL ones<>(SB), RODATA, $4

// func sumVectors(v *vectors, p []byte)
TEXT ·sumVectors(SB), NOSPLIT, $0-32
	MOVQ v+0(FP), DI
	MOVQ p_base+8(FP), SI
	MOVQ p_len+16(FP), CX
	SHRQ $5, CX

	VPXOR        Y0, Y0, Y0            // bytes
	VPXOR        Y1, Y1, Y1            // bytes before each vector
	VPXOR        Y2, Y2, Y2            // bytes by their weights
	VPXOR        Y3, Y3, Y3
	VMOVDQU      weights<>(SB), Y4
	VPBROADCASTD ones<>(SB), Y5
	TESTQ        CX, CX
	JZ           done

vector:
	VMOVDQU    (SI), Y6
	VPADDQ     Y0, Y1, Y1
	VPSADBW    Y3, Y6, Y7
	VPADDQ     Y7, Y0, Y0
	VPMADDUBSW Y4, Y6, Y8              // pairs: at most 255*(32+31)
	VPMADDWD   Y5, Y8, Y8              // fours
	VPADDD     Y8, Y2, Y2
	ADDQ       $32, SI
	DECQ       CX
	JNZ        vector

done:
	VMOVDQU Y0, 0(DI)
	VMOVDQU Y1, 32(DI)
	VMOVDQU Y2, 64(DI)
	VZEROUPPER
	RET
