# SPDX-License-Identifier: GPL-2.0
# bindgen over a crate's own header, with the flags of the kernel's own run (rust/Makefile of the
# kernel, which exports none of this to external modules).

# A kernel built with GCC passes flags that libclang does not know.
ifdef CONFIG_CC_IS_CLANG
bindgen_c_flags = $(c_flags)
else
bindgen_unknown_c_flags := -mno-fp-ret-in-387 -mpreferred-stack-boundary=% -mskip-rax-setup \
	-mgeneral-regs-only -msign-return-address=% -mindirect-branch=thunk-extern \
	-mindirect-branch-register -mindirect-branch-cs-prefix -mfunction-return=thunk-extern \
	-mrecord-mcount -mabi=lp64 -mstack-protector-guard% -mno-strict-align -mstrict-align \
	-fconserve-stack -falign-jumps=% -falign-loops=% -femit-struct-debug-baseonly \
	-fno-ipa-cp-clone -fno-ipa-sra -fno-partial-inlining -fno-reorder-blocks \
	-fno-allow-store-data-races -fasan-shadow-offset=% -fzero-call-used-regs=% \
	-fno-stack-clash-protection -fno-inline-functions-called-once -fsanitize=bounds-strict \
	-fstrict-flex-arrays=% -fmin-function-alignment=% -fzero-init-padding-bits=% \
	-fdiagnostics-show-context -fdiagnostics-show-context=% --param=% --param asan-% \
	-fno-isolate-erroneous-paths-dereference
bindgen_target_x86 := x86_64-linux-gnu
bindgen_target_arm64 := aarch64-linux-gnu
bindgen_c_flags = $(filter-out $(bindgen_unknown_c_flags),$(c_flags)) \
	-w --target=$(bindgen_target_$(SRCARCH))
endif

quiet_cmd_bindgen = BINDGEN $@
      cmd_bindgen = $(BINDGEN) $< $(bindgen_target_flags) --rust-target 1.85 --use-core \
	--ctypes-prefix ffi --no-layout-tests --no-debug '.*' --with-derive-default \
	--enable-function-attribute-detection -o $@ -- \
	$(filter-out $(CC_FLAGS_LTO),$(bindgen_c_flags)) -fno-builtin -D__BINDGEN__ -DMODULE
