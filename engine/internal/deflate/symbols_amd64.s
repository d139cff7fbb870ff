#include "go_asm.h"
#include "textflag.h"

// SI: input, R9: the last place to refill at
// DI: output, R10: the first place to stop at, R11: its begin
// BX: bits, DX: how many of them count, in its low six bits
// R8: codes. AX: the entry of a literal or length, CX: that of a distance, and
// what is needed for a moment
// R12: length, R13: bits behind it, R14: distance, R15: from where to copy

// At least 56 bits, as refill.
#define REFILL \
	MOVQ  (SI), CX \
	SHLXQ DX, CX, CX \
	ORQ   CX, BX \
	MOVL  DX, CX \
	NOTL  CX \
	SHRL  $3, CX \
	ANDL  $7, CX \
	ADDQ  CX, SI \
	ORL   $56, DX

#define LOOKUP \
	MOVL BX, CX \
	ANDL $(1<<const_literalBits-1), CX \
	MOVL (R8)(CX*4), AX

// As put and used.
#define LITERALS \
	SHRXQ AX, BX, BX \
	SUBL  AX, DX \
	MOVL  AX, CX \
	SHRL  $16, AX \
	SHRL  $const_pairBit, CX \
	MOVW  AX, (DI) \
	ANDL  $1, CX \
	LEAQ  1(DI)(CX*1), DI

// func unpackSymbols(c *codes, buf []byte, pos int, out []byte, w int, bits uint64, n uint) (newPos, newW int, newBits uint64, newN uint)
TEXT ·unpackSymbols(SB), NOSPLIT, $0-120
	MOVQ c+0(FP), R8
	MOVQ buf_base+8(FP), SI
	MOVQ SI, R9
	ADDQ buf_len+16(FP), R9
	ADDQ pos+32(FP), SI
	MOVQ out_base+40(FP), R11
	MOVQ R11, R10
	ADDQ out_len+48(FP), R10
	MOVQ R11, DI
	ADDQ w+64(FP), DI
	MOVQ bits+72(FP), BX
	MOVQ n+80(FP), DX

symbols:
	CMPQ SI, R9
	JHI  done
	CMPQ DI, R10
	JHS  done
	REFILL
	LOOKUP
	TESTL $const_isLiteral, AX
	JZ    other
	LITERALS
	LOOKUP
	TESTL $const_isLiteral, AX
	JZ    other
	LITERALS
	LOOKUP
	TESTL $const_isLiteral, AX
	JZ    other
	LITERALS
	JMP   symbols

other:
	TESTL $const_isTable, AX
	JNZ   longLiteral

length:
	TESTL $const_isEnd, AX
	JNZ   done
	REFILL
	BZHIQ AX, BX, R12
	MOVL  AX, CX
	SHRL  $8, CX
	SHRXQ CX, R12, R12
	MOVL  AX, CX
	SHRL  $16, CX
	ADDQ  CX, R12
	SHRXQ AX, BX, R13

	MOVL  R13, CX
	ANDL  $(1<<const_distanceBits-1), CX
	MOVL  codes_distances(R8)(CX*4), CX
	TESTL $const_isTable, CX
	JNZ   longDistance

distance:
	BZHIQ CX, R13, R14
	MOVL  CX, R15
	SHRL  $8, R15
	SHRXQ R15, R14, R14
	MOVL  CX, R15
	SHRL  $16, R15
	ADDQ  R15, R14
	MOVQ  DI, R15
	SUBQ  R14, R15

	// The entry of a symbol without meaning is 0, and so is its length or distance.
	TESTL R12, R12
	JZ    done
	TESTL R14, R14
	JZ    done
	CMPQ  R15, R11
	JLO   done

	SHRXQ CX, R13, BX
	SUBL  AX, DX
	SUBL  CX, DX
	ADDQ  DI, R12
	CMPQ  R14, $16
	JLO   near

copy16:
	MOVOU (R15), X0
	MOVOU X0, (DI)
	ADDQ  $16, R15
	ADDQ  $16, DI
	CMPQ  DI, R12
	JLO   copy16
	MOVQ  R12, DI
	JMP   symbols

near:
	CMPQ R14, $8
	JLO  copy1

copy8:
	MOVQ (R15), CX
	MOVQ CX, (DI)
	ADDQ $8, R15
	ADDQ $8, DI
	CMPQ DI, R12
	JLO  copy8
	MOVQ R12, DI
	JMP  symbols

copy1:
	MOVBLZX (R15), CX
	MOVB CX, (DI)
	INCQ R15
	INCQ DI
	CMPQ DI, R12
	JLO  copy1
	JMP  symbols

longLiteral:
	MOVL  AX, CX
	SHRL  $8, CX
	MOVQ  BX, R13
	SHRQ  $const_literalBits, R13
	BZHIQ CX, R13, R13
	SHRL  $16, AX
	ADDQ  R13, AX
	MOVL  (R8)(AX*4), AX
	TESTL $const_isLiteral, AX
	JZ    length
	LITERALS
	JMP   symbols

longDistance:
	MOVL  CX, R15
	SHRL  $8, R15
	MOVQ  R13, R14
	SHRQ  $const_distanceBits, R14
	BZHIQ R15, R14, R14
	SHRL  $16, CX
	ADDQ  R14, CX
	MOVL  codes_distances(R8)(CX*4), CX
	JMP   distance

done:
	SUBQ buf_base+8(FP), SI
	MOVQ SI, newPos+88(FP)
	SUBQ R11, DI
	MOVQ DI, newW+96(FP)
	ANDL $63, DX
	BZHIQ DX, BX, BX
	MOVQ BX, newBits+104(FP)
	MOVQ DX, newN+112(FP)
	RET
