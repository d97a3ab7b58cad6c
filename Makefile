# Lagan's one Makefile. `make help` lists what it can do. Everything built is under build/.
#
# Objects are listed by name: a file that is not named here is not in the image.

.DEFAULT_GOAL := all
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

B     := build
CC    ?= gcc
ifeq ($(origin CC),default)
CC    := gcc
endif
HOSTCC ?= gcc
DEBUG ?= 1

# ---------------------------------------------------------------------------------------------------
# Objects of the hypervisor image

# mm/, ubc/, shmem/, balloon/: compile unchanged for the target and for the host tests
MM_OBJS := mm/heap.o mm/slab.o mm/frame.o mm/account.o mm/tlbclock.o

# xen/lib: the target's small libc (the host tests use their own), and helpers that both use
LIB_OBJS :=

# xen/: portable parts
CORE_OBJS :=

SCHED_OBJS := xen/sched.o xen/sched_ctl.o xen/sched_state.o xen/sched_policy.o xen/sched_balance.o \
              xen/timer.o xen/softirq.o xen/vcpu_timer.o xen/hcall_sched.o xen/hcall_vcpu_timer.o

EVENT_OBJS :=

HCALL_OBJS :=

# xen/arch/x86: the machine
BOOT_OBJS :=

DEVICE_OBJS :=

PV_OBJS :=

HV_OBJS := $(BOOT_OBJS) $(DEVICE_OBJS) $(PV_OBJS) $(CORE_OBJS) $(SCHED_OBJS) $(EVENT_OBJS) \
           $(HCALL_OBJS) $(MM_OBJS) $(LIB_OBJS)

# ---------------------------------------------------------------------------------------------------
# Flags

WARN := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla \
        -Wundef -Werror
# The public ABI's headers come from libxen-dev (/usr/include/xen); ours are included with quotes.
ABI  := -D__XEN_TOOLS__ -D__XEN_INTERFACE_VERSION__=0x00040e00
INC  := -Iinclude -iquote .
DBG  := $(if $(filter 1,$(DEBUG)),-DLAGAN_DEBUG)
REPRO := -ffile-prefix-map=$(CURDIR)=. -frandom-seed=lagan

HV_CFLAGS := -std=c11 -O2 -g -ffreestanding -fpie -fvisibility=hidden -mcmodel=small -mno-red-zone \
             -mgeneral-regs-only -fno-stack-protector -fno-omit-frame-pointer \
             -fno-asynchronous-unwind-tables -fno-strict-aliasing -fcf-protection=none \
             -fno-jump-tables -fno-common $(REPRO) $(WARN) $(ABI) $(INC) -iquote xen/arch/x86/include $(DBG)
HV_ASFLAGS := -D__ASSEMBLY__ -g $(REPRO) $(ABI) $(INC) -iquote xen/arch/x86/include
HOST_CFLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing $(WARN) $(ABI) $(INC) \
             -iquote unittests/arch/hv -iquote unittests -DLAGAN_DEBUG -DLAGAN_HOST -pthread

# ---------------------------------------------------------------------------------------------------
# The image

.PHONY: all
all: $(B)/lagan ## build the hypervisor image

$(B)/hv/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(HV_CFLAGS) -MMD -MP -c $< -o $@

$(B)/hv/%.o: %.S Makefile
	@mkdir -p $(@D)
	$(CC) $(HV_ASFLAGS) -MMD -MP -c $< -o $@

HV_O := $(HV_OBJS:%=$(B)/hv/%)

# Linked twice: the first link gives the symbol addresses that crash dumps print.
$(B)/hv/xen.lds: xen/arch/x86/xen.lds.S xen/arch/x86/layout.h
	@mkdir -p $(@D)
	$(CC) -E -P -D__ASSEMBLY__ $(INC) -x assembler-with-cpp $< -o $@

$(B)/lagan: $(HV_O) $(B)/hv/xen.lds tools/make-symbols
	echo | tools/make-symbols >$(B)/hv/symbols0.S
	$(CC) $(HV_ASFLAGS) -c $(B)/hv/symbols0.S -o $(B)/hv/symbols0.o
	$(LD) -nostdlib -static -z max-page-size=4096 --build-id=none -T $(B)/hv/xen.lds $(HV_O) $(B)/hv/symbols0.o -o $(B)/hv/pass1
	nm -n $(B)/hv/pass1 | tools/make-symbols >$(B)/hv/symbols1.S
	$(CC) $(HV_ASFLAGS) -c $(B)/hv/symbols1.S -o $(B)/hv/symbols1.o
	$(LD) -nostdlib -static -z max-page-size=4096 --build-id=none -T $(B)/hv/xen.lds $(HV_O) $(B)/hv/symbols1.o -o $(B)/hv/lagan-syms
	objcopy --strip-debug $(B)/hv/lagan-syms $@

-include $(HV_O:.o=.d)

# ---------------------------------------------------------------------------------------------------
# Unit tests on the host. A program is unittests/prog_NAME.c (its list of suites) plus TEST_NAME: the
# hypervisor's own objects and the test files. Variants: plain, asan, tsan.

TEST_PROGRAMS := sched

TEST_sched := $(SCHED_OBJS) unittests/sim_sched.o unittests/arch/host.o unittests/test_timer.o \
              unittests/test_softirq.o unittests/test_sched_policy.o unittests/test_sched.o \
              unittests/test_hcall_sched.o unittests/test_sched_smp.o

HOST_COMMON := unittests/main.o

VARIANT_plain :=
VARIANT_asan  := -fsanitize=address,undefined -fno-sanitize-recover=all
VARIANT_tsan  := -fsanitize=thread

define host_variant
$(B)/host-$(1)/%.o: %.c Makefile
	@mkdir -p $$(@D)
	$$(HOSTCC) $$(HOST_CFLAGS) $$(VARIANT_$(1)) -MMD -MP -c $$< -o $$@
endef
define host_program
$(B)/host-$(1)/test_$(2): $(addprefix $(B)/host-$(1)/,unittests/prog_$(2).o $(HOST_COMMON) $(TEST_$(2)))
	$$(HOSTCC) $$(HOST_CFLAGS) $$(VARIANT_$(1)) $$^ -lcunit -lm -o $$@
-include $(patsubst %.o,$(B)/host-$(1)/%.d,unittests/prog_$(2).o $(HOST_COMMON) $(TEST_$(2)))
endef
$(foreach v,plain asan tsan,$(eval $(call host_variant,$(v))))
$(foreach v,plain asan tsan,$(foreach p,$(TEST_PROGRAMS),$(eval $(call host_program,$(v),$(p)))))

.PHONY: check
check: $(TEST_PROGRAMS:%=$(B)/host-plain/test_%) ## unit tests on the host, plain build
	for t in $^; do ./$$t; done

# ---------------------------------------------------------------------------------------------------
# Fuzz targets (libFuzzer): unittests/fuzz/fuzz_NAME.c plus FUZZ_NAME

FUZZERS :=

# ---------------------------------------------------------------------------------------------------
# Guests

# ---------------------------------------------------------------------------------------------------
# Lint

# ---------------------------------------------------------------------------------------------------
# Main jobs

.PHONY: clean help
clean: ## remove everything built
	rm -rf $(B)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 16
