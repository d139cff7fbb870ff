#include "textflag.h"

// The even round keys come from the one two before and the last word of the one
// before, rotated, through the table, and with the round's constant.
#define EVEN(constant) \
	AESKEYGENASSIST constant, X1, X2 \
	PSHUFD $0xff, X2, X2 \
	MIX(X0)

// The odd ones without rotation and constant.
#define ODD \
	AESKEYGENASSIST $0, X0, X2 \
	PSHUFD $0xaa, X2, X2 \
	MIX(X1)

// Each word of a key is combined with all words before it, and with X2.
#define MIX(key) \
	MOVO   key, X3 \
	PSLLDQ $4, X3 \
	PXOR   X3, key \
	PSLLDQ $4, X3 \
	PXOR   X3, key \
	PSLLDQ $4, X3 \
	PXOR   X3, key \
	PXOR   X2, key \
	ADDQ   $16, DI \
	MOVOU  key, (DI)

// func expandKey(keys *roundKeys, key *[32]byte)
TEXT ·expandKey(SB), NOSPLIT, $0-16
	MOVQ  keys+0(FP), DI
	MOVQ  key+8(FP), SI
	MOVOU (SI), X0
	MOVOU 16(SI), X1
	MOVOU X0, (DI)
	MOVOU X1, 16(DI)
	ADDQ  $16, DI
	EVEN($0x01)
	ODD
	EVEN($0x02)
	ODD
	EVEN($0x04)
	ODD
	EVEN($0x08)
	ODD
	EVEN($0x10)
	ODD
	EVEN($0x20)
	ODD
	EVEN($0x40)
	RET

// func encryptEights(keys *roundKeys, dst, src []byte)
TEXT ·encryptEights(SB), NOSPLIT, $0-56
	MOVQ keys+0(FP), R8
	MOVQ dst_base+8(FP), DI
	MOVQ src_base+32(FP), SI
	MOVQ src_len+40(FP), CX
	SHRQ $7, CX
	JZ   done

eight:
	MOVOU (R8), X8
	MOVOU (SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	MOVOU 64(SI), X4
	MOVOU 80(SI), X5
	MOVOU 96(SI), X6
	MOVOU 112(SI), X7
	PXOR  X8, X0
	PXOR  X8, X1
	PXOR  X8, X2
	PXOR  X8, X3
	PXOR  X8, X4
	PXOR  X8, X5
	PXOR  X8, X6
	PXOR  X8, X7
	LEAQ  16(R8), R9
	MOVL  $13, DX

round:
	MOVOU  (R9), X8
	ADDQ   $16, R9
	AESENC X8, X0
	AESENC X8, X1
	AESENC X8, X2
	AESENC X8, X3
	AESENC X8, X4
	AESENC X8, X5
	AESENC X8, X6
	AESENC X8, X7
	DECL   DX
	JNZ    round

	MOVOU      (R9), X8
	AESENCLAST X8, X0
	AESENCLAST X8, X1
	AESENCLAST X8, X2
	AESENCLAST X8, X3
	AESENCLAST X8, X4
	AESENCLAST X8, X5
	AESENCLAST X8, X6
	AESENCLAST X8, X7
	MOVOU      X0, (DI)
	MOVOU      X1, 16(DI)
	MOVOU      X2, 32(DI)
	MOVOU      X3, 48(DI)
	MOVOU      X4, 64(DI)
	MOVOU      X5, 80(DI)
	MOVOU      X6, 96(DI)
	MOVOU      X7, 112(DI)
	ADDQ       $128, SI
	ADDQ       $128, DI
	DECQ       CX
	JNZ        eight

done:
	RET
