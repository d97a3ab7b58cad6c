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
# Commands are shown with V=1 only: what matters would drown.
$(V).SILENT:

# ---------------------------------------------------------------------------------------------------
# Objects of the hypervisor image

# mm/, ubc/, shmem/, balloon/: compile unchanged for the target and for the host tests
MM_OBJS := mm/heap.o mm/heap_lists.o mm/heap_audit.o mm/claim.o mm/scrub.o mm/waiting.o mm/slab.o mm/frame.o mm/account.o mm/tlbclock.o mm/type.o mm/validate.o \
           mm/table.o mm/table_replace.o mm/update.o mm/segdesc.o mm/relinquish.o mm/exchange.o mm/giveback.o mm/audit.o mm/heap_run.o mm/heap_lend.o mm/window.o \
           mm/spare.o mm/pcache.o mm/pcache_slot.o mm/pcache_index.o mm/pcache_room.o mm/pcache_lender.o mm/pcache_page.o mm/pcache_swap.o \
           mm/pcache_persist.o mm/pcache_flush.o mm/pcache_admin.o mm/pcache_audit.o \
           mm/pcache_quota.o mm/pcache_ghost.o mm/pcache_curve.o

GRANT_OBJS := $(addprefix shmem/,grant.o grant_table.o grant_version.o grant_pin.o maptrack.o \
              grant_map.o grant_copy.o grant_transfer.o grant_revoke.o grant_audit.o)

BALLOON_OBJS := balloon/policy.o balloon/policy_cache.o balloon/balloon.o balloon/balloon_audit.o

UBC_OBJS := $(addprefix ubc/,volume.o reader.o index.o page.o idle.o lender.o slot.o sweep.o want.o entry.o map.o press.o insert.o tree.o sha256.o revoke.o window.o audit.o)

# xen/lib: the target's small libc (the host tests use their own), and helpers that both use
LIB_OBJS := xen/lib/string.o xen/lib/strlcpy.o xen/lib/vsnprintf.o xen/lib/parse.o

BOOTDOMAIN_OBJS := bootdomains.o bootbuild.o bootreap.o bootmodule.o bootvolume.o ubc_host.o

# xen/: portable parts, among them the parsers of what the boot loader hands over
CONTROL_OBJS := control.o control_reap.o hcall_domctl.o hcall_domctl_vcpu.o hcall_domctl_refused.o hcall_sysctl.o hcall_sysctl_host.o

CORE_OBJS := $(addprefix xen/,main.o $(CONTROL_OBJS) books.o wallclock.o domain.o teardown.o $(BOOTDOMAIN_OBJS) dom0.o store_service.o log.o console.o console_ring.o options.o cmdline.o \
             option_value.o modline.o)

# Kernel files. UNPACK_LIBS: Debian's libraries, of which the decoders are linked into the image.
LOADER_OBJS := $(addprefix xen/,kernel_image.o bzimage.o elf.o elf_notes.o unpack.o unpack_xz.o unpack_zstd.o \
             unpack_gzip.o unpack_lz4.o)
UNPACK_LIBS := lzma zstd z lz4
# of which one object is linked, with the function for SHA-256
SHA_LIB := crypto

SCHED_OBJS := $(addprefix xen/,sched.o sched_policy.o sched_balance.o sched_ctl.o sched_state.o \
              softirq.o stop.o timer.o vcpu_timer.o domain_watchdog.o hcall_sched.o hcall_vcpu_timer.o)

EVENT_OBJS := xen/event.o xen/event_bind.o xen/event_deliver.o xen/event_fifo.o \
              xen/event_fifo_setup.o xen/event_audit.o xen/hcall_event.o

# memory_op
MEMORY_OBJS := $(addprefix xen/,hcall_memory.o hcall_memory_map.o hcall_memory_refused.o hcall_resource.o hcall_reservation.o hcall_host.o \
             hcall_exchange.o)

PRESSURE_OBJS := xen/pressure.o xen/hcall_pressure.o $(BALLOON_OBJS)

HCALL_OBJS := $(addprefix xen/,hypercall.o hcall_vcpu.o hcall_mmu.o hcall_mmuext.o hcall_grant.o hcall_grant_table.o hcall_grant_cache.o hcall_version.o \
             hcall_misc.o hcall_store.o hcall_ubc.o hcall_pcache.o hcall_pcache_ctl.o) $(MEMORY_OBJS)

# xen/arch/x86: the machine
BOOT_OBJS := $(addprefix xen/arch/x86/,boot.o start.o multiboot.o bootinfo.o bootmem.o hvmap.o \
             hvmap_frames.o hvmap_audit.o initmem.o mce.o desc.o idt.o trap_stubs.o trap_hv.o interrupt.o \
             feature.o tlb.o iomem.o ap.o smp.o crash.o symbols.o pti.o pti_audit.o pti_policy.o pti_entry.o)

DEVICE_OBJS := $(addprefix xen/arch/x86/,acpi.o acpi_tables.o acpi_poweroff.o apic.o apic_timer.o \
               ioapic.o machine_map.o pic.o tsc.o clock.o time.o tscsync.o calibrate.o counter.o hpet.o pmtimer.o \
               pit.o rtc.o screen.o vga.o uart.o watchdog.o topology.o power.o stuck.o pci_config.o msi.o device_page.o io_guard.o vectors.o \
               pirq.o pirq_map.o pirq_route.o pirq_storm.o port_rights.o machine_io.o)

PV_OBJS := $(addprefix xen/arch/x86/,entry.o usercopy.o guest_access.o offsets.o contract.o \
           cpu_begin.o ctx.o pv_trap.o pv_bounce.o pv_iret.o pv_hypercall.o pv_vcpu.o pv_domain.o \
           pv_time.o pv_layout.o pv_build.o pv_build_tables.o \
           pv_decode.o pv_emul.o pv_emul_io.o pv_ptwr.o pv_ptwr_decode.o pv_ptwr_alu.o pv_io.o pv_cpuid.o pv_cpuid_policy.o pv_msr.o \
           pv_msr_policy.o pv_desc.o pv_ldt.o pv_debugreg.o fpu.o sha256.o \
           hcall_cpu.o hcall_desc.o hcall_debug.o hcall_physdev.o hcall_physdev_apic.o hcall_platform.o hcall_mca.o \
           platform.o foreign.o pv_control.o pv_cpuid_leaves.o)

HV_OBJS := $(BOOT_OBJS) $(DEVICE_OBJS) $(PV_OBJS) $(CORE_OBJS) $(LOADER_OBJS) $(SCHED_OBJS) $(EVENT_OBJS) \
           $(HCALL_OBJS) $(MM_OBJS) $(GRANT_OBJS) $(UBC_OBJS) $(PRESSURE_OBJS) $(LIB_OBJS)

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
             -include include/lagan/hidden.h -fno-jump-tables -fno-common $(REPRO) $(WARN) $(ABI) \
             $(INC) -iquote xen/arch/x86/include $(DBG)
HV_ASFLAGS := -D__ASSEMBLY__ -g $(REPRO) $(ABI) $(INC) -iquote xen/arch/x86/include
HOST_CFLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing $(WARN) $(ABI) $(INC) \
             -iquote unittests/arch/hv -iquote unittests -iquote guests -iquote include/public -iquote tools/linux -DLAGAN_DEBUG -DLAGAN_HOST -pthread

# ---------------------------------------------------------------------------------------------------
# The image

.PHONY: all
all: $(B)/lagan ## build the hypervisor image

$(B)/hv/%.o: %.c Makefile
	mkdir -p $(@D)
	echo "  CC      $<"
	$(CC) $(HV_CFLAGS) -MMD -MP -c $< -o $@

$(B)/hv/%.o: %.S Makefile
	mkdir -p $(@D)
	echo "  AS      $<"
	$(CC) $(HV_ASFLAGS) -MMD -MP -c $< -o $@

HV_O := $(HV_OBJS:%=$(B)/hv/%)
HV_A = $(foreach l,$(UNPACK_LIBS) $(SHA_LIB),$(shell $(CC) -print-file-name=lib$(l).a))

# Linked twice: the first link gives the symbol addresses that crash dumps print.
$(B)/hv/xen.lds: xen/arch/x86/xen.lds.S xen/arch/x86/layout.h
	mkdir -p $(@D)
	$(CC) -E -P -D__ASSEMBLY__ $(INC) -x assembler-with-cpp $< -o $@

$(B)/lagan: $(HV_O) $(B)/hv/xen.lds tools/make-symbols tools/check-image tools/check-init
	echo | tools/make-symbols >$(B)/hv/symbols0.S
	$(CC) $(HV_ASFLAGS) -c $(B)/hv/symbols0.S -o $(B)/hv/symbols0.o
	$(LD) -nostdlib -static -z max-page-size=4096 --build-id=none -T $(B)/hv/xen.lds $(HV_O) $(B)/hv/symbols0.o $(HV_A) -o $(B)/hv/pass1
	nm -n $(B)/hv/pass1 | tools/make-symbols >$(B)/hv/symbols1.S
	$(CC) $(HV_ASFLAGS) -c $(B)/hv/symbols1.S -o $(B)/hv/symbols1.o
	$(LD) -nostdlib -static -z max-page-size=4096 --build-id=none -T $(B)/hv/xen.lds $(HV_O) $(B)/hv/symbols1.o $(HV_A) -o $(B)/hv/lagan-syms
	objcopy --strip-debug $(B)/hv/lagan-syms $@
	tools/check-image $@
	tools/check-init $(HV_O)

-include $(HV_O:.o=.d)

# ---------------------------------------------------------------------------------------------------
# Unit tests on the host. Program NAME is unittests/prog_NAME.c (its list of suites) plus TEST_NAME: objects of
# the hypervisor, unchanged, and test files. Each exists in three variants: plain, asan, tsan.

# The longest first
TEST_PROGRAMS := replay sched store core lib log devices boot pv loader emul event irq mm mmu shmem ubc balloon pcache pcpolicy transport laganctl lagand lagan9pd modules

# Linked into every program; the host machine (unittests/arch) without and with memory management
HOST_COMMON := unittests/main.o xen/lib/strlcpy.o
HOST_ARCH   := unittests/arch/host.o
HOST_MM     := $(HOST_ARCH) unittests/arch/host_tlb.o unittests/arch/host_heap.o $(MM_OBJS)

TEST_lib := unittests/target_string.o $(addprefix unittests/test_,string.o vsnprintf.o cmdline.o modline.o elf.o dom0.o) \
            xen/lib/parse.o $(addprefix xen/,dom0.o options.o cmdline.o option_value.o modline.o elf.o elf_notes.o)

TEST_log := unittests/console_machine.o $(addprefix unittests/test_,log.o console.o) \
            $(addprefix xen/,log.o console.o options.o)

TEST_devices := unittests/fake_firmware.o $(addprefix unittests/test_,acpi.o topology.o tsc.o rtc.o bytering.o) \
            $(addprefix xen/arch/x86/,acpi.o acpi_tables.o acpi_poweroff.o topology.o tsc.o clock.o rtc.o)

TEST_boot := $(addprefix unittests/test_,multiboot.o screen.o bootinfo.o bootmem.o pti_policy.o) \
            $(addprefix xen/arch/x86/,multiboot.o screen.o bootinfo.o bootmem.o pti_policy.o)

TEST_pv := unittests/test_pv_layout.o unittests/test_pv_bounce.o xen/arch/x86/pv_layout.o $(HOST_ARCH)

LIBS_loader := $(UNPACK_LIBS)
TEST_loader := $(HOST_MM) xen/lib/parse.o $(LOADER_OBJS) unittests/elf_kit.o unittests/pack_kit.o \
            $(addprefix unittests/test_,bzimage.o unpack.o)

TEST_emul := $(HOST_MM) $(addprefix unittests/test_,pv_decode.o pv_policy.o cpuid_leaves.o pv_emul.o pv_desc.o hcall_pv.o) \
            $(addprefix xen/arch/x86/,pv_decode.o pv_cpuid_policy.o pv_cpuid_leaves.o pv_msr_policy.o)

TEST_sched := $(SCHED_OBJS) $(HOST_ARCH) unittests/sim_sched.o \
            $(addprefix unittests/test_,timer.o softirq.o stop.o sched_policy.o sched.o hcall_sched.o sched_smp.o)

TEST_event := $(EVENT_OBJS) $(HOST_MM) unittests/arch/host_domain.o unittests/arch/host_pirq.o unittests/event_world.o \
            xen/console_ring.o unittests/ring_world.o \
            $(addprefix unittests/test_,event.o event_fifo.o event_model.o event_threads.o console_ring.o)

# Device interrupts, on modelled interrupt controllers
PIRQ_OBJS := $(addprefix xen/arch/x86/,vectors.o msi.o io_guard.o pirq.o pirq_map.o pirq_route.o pirq_storm.o)
TEST_irq := $(PIRQ_OBJS) $(EVENT_OBJS) $(HOST_MM) unittests/arch/host_domain.o unittests/irq_world.o \
            xen/arch/x86/port_rights.o \
            $(addprefix unittests/test_,vectors.o msi.o pirq.o pirq_model.o port_rights.o physdev.o platform.o io_guard.o storm.o)

TEST_mm := $(HOST_MM) unittests/mm_kit.o $(addprefix unittests/test_,heap.o scrub.o slab.o frame.o account.o tlbclock.o \
            type.o table.o table_change.o update.o segdesc.o relinquish.o giveback.o mm_model.o mm_threads.o mm_races.o)

TEST_mmu := $(HOST_MM) unittests/mm_kit.o $(addprefix unittests/test_,ptwr_decode.o ptwr.o hcall_mmu.o) \
            $(addprefix xen/arch/x86/,pv_ptwr_decode.o pv_ptwr_alu.o)

TEST_shmem := $(HOST_MM) $(GRANT_OBJS) unittests/mm_kit.o unittests/grant_kit.o \
            $(addprefix unittests/test_,grant.o grant_map.o grant_v2.o grant_revoke.o grant_model.o grant_threads.o)

TEST_pcache := $(HOST_MM) unittests/pcache_kit.o $(addprefix unittests/test_,pcache.o pcache_swap.o pcache_model.o pcache_host.o pcache_last.o pcache_recall.o spare.o pcache_flush.o pcache_threads.o)

# The page cache's policies by themselves, and traces over them
PCPOLICY_OBJS := $(addprefix mm/pcache_,quota.o ghost.o curve.o)
TEST_pcpolicy := $(PCPOLICY_OBJS) $(HOST_ARCH) $(addprefix unittests/test_,pcache_curve.o pcache_ghost.o pcache_quota.o)
REPLAY_OBJS := $(addprefix unittests/replay/,lru.o trace.o made.o rig.o)
TEST_replay := $(PCPOLICY_OBJS) $(REPLAY_OBJS) $(HOST_ARCH) unittests/test_replay.o

UBC_HOST := $(UBC_OBJS) unittests/arch/host_sha256.o
LIBS_ubc := :lib$(SHA_LIB).a
TEST_ubc := $(HOST_MM) $(UBC_HOST) unittests/mm_kit.o unittests/ubc_kit.o \
            $(addprefix unittests/test_,ubc.o ubc_map.o ubc_revoke.o ubc_tree.o ubc_window.o ubc_hostile.o ubc_lender.o ubc_crowd.o ubc_press.o ubc_slots.o ubc_model.o ubc_threads.o)

TEST_balloon := $(BALLOON_OBJS) unittests/sim_balloon.o \
            $(HOST_ARCH) mm/pcache_curve.o $(addprefix unittests/test_,policy.o policy_cache.o balloon.o balloon_model.o)

# The machine of the core's tests, and the core itself with all it stands on
CORE_WORLD := $(HOST_MM) $(GRANT_OBJS) $(UBC_HOST) unittests/arch/host_pirq.o unittests/core_world.o unittests/core_machine.o $(EVENT_OBJS) $(filter-out xen/stop.o,$(SCHED_OBJS)) $(MEMORY_OBJS) $(PRESSURE_OBJS) \
            $(LOADER_OBJS) xen/lib/parse.o \
            $(addprefix xen/,books.o wallclock.o domain.o teardown.o console_ring.o $(CONTROL_OBJS) $(BOOTDOMAIN_OBJS) dom0.o store_service.o hypercall.o hcall_vcpu.o hcall_host.o hcall_store.o hcall_ubc.o hcall_grant.o hcall_grant_table.o hcall_grant_cache.o \
            hcall_version.o hcall_misc.o hcall_pcache.o hcall_pcache_ctl.o options.o modline.o) \
            $(addprefix xen/arch/x86/,pv_layout.o pv_build.o pv_build_tables.o pv_hypercall.o)

LIBS_core := $(UNPACK_LIBS) :lib$(SHA_LIB).a
TEST_core := $(CORE_WORLD) unittests/mm_kit.o unittests/elf_kit.o unittests/boot_world.o \
            $(addprefix unittests/test_,domain.o hypercall.o vcpu_op.o preempted.o reservation.o memory_op.o exchange.o pv_build.o bootdomains.o store_service.o pressure.o pressure_for.o lives.o hcall_pcache.o hcall_ubc.o domctl.o domctl_vcpu.o sysctl.o)

# The store is a guest, but its engine knows no guest's machine (guests/store.c has that).
STORE_OBJS := $(addprefix store/,pool.o text.o path.o perm.o tree.o watch.o tx.o view.o store.o request.o ring.o \
            admin.o birth.o command.o)

TEST_store := $(STORE_OBJS:%=guests/%) unittests/store_kit.o \
            $(addprefix unittests/test_store,.o _pool.o _watch.o _tx.o _ring.o _admin.o _model.o)

# What domains use to talk to one another: compiled into guests and into programs of Linux. The file server is a
# guest, but its engine knows no guest's machine.
TRANSPORT_OBJS := $(addprefix transport/,stream.o message.o pfs.o)
P9_OBJS := $(addprefix transport/,p9_server.o p9_fid.o p9_change.o)
FILESERVER_OBJS := $(addprefix fileserver/,cpio.o p9_archive.o)

TEST_transport := $(TRANSPORT_OBJS) $(P9_OBJS) $(FILESERVER_OBJS:%=guests/%) unittests/stream_kit.o unittests/cpio_kit.o \
            unittests/fake_xendev.o tools/linux/vstream.o \
            $(addprefix unittests/test_,stream.o message.o transport_threads.o pfs.o cpio.o p9_server.o vstream.o)

# The file server for Linux guests, with made-up devices
LAGAN9PD_TREE := $(addprefix tools/lagan-9pd/,tree.o tree_attr.o tree_io.o tree_name.o connection.o lane.o options.o)
TEST_lagan9pd := $(LAGAN9PD_TREE) $(P9_OBJS) transport/pfs.o unittests/fake_xendev.o unittests/host_tree_kit.o unittests/fake_xs.o tools/lagan-9pd/share.o \
            $(addprefix unittests/test_,host_tree.o host_tree_hostile.o connection.o share_options.o share.o)
$(foreach v,plain asan tsan fuzz,$(B)/host-$(v)/tools/lagan-9pd/%.o): HOST_CFLAGS += -D_GNU_SOURCE

LAGANCTL_OBJS := $(addprefix tools/laganctl/,amount.o cache.o domain.o laganctl.o memory.o metrics.o table.o ubc.o publish.o volume.o watch.o) tools/publish/source.o
TEST_laganctl := $(LAGANCTL_OBJS) tools/publish/serve.o unittests/fake_host.o unittests/test_laganctl.o unittests/test_publish.o
LIBS_laganctl := smartcols ncursesw tinfo

# The control daemon and the guests' agent, without their descriptors
LAGAND_OBJS := $(addprefix tools/lagand/,config.o control.o keeper.o keeper_room.o keeper_target.o metrics.o report.o why.o) \
            $(addprefix tools/laganctl/,amount.o domain.o metrics.o)
AGENT_OBJS := $(addprefix tools/lagan-agent/,figures.o nudge.o xenbus.o) tools/lagand/report.o
TEST_lagand := $(LAGAND_OBJS) tools/lagan-agent/figures.o tools/lagan-agent/nudge.o unittests/fake_host.o unittests/fake_store.o unittests/lagand_world.o \
            $(addprefix unittests/test_,lagand.o lagand_room.o lagand_text.o lagan_agent.o)

# Of the modules for Linux, what needs no kernel
TEST_modules := $(addprefix linux/,cache_track.o cache_side.o zpool_lagan.o) $(addprefix unittests/test_,cache_track.o cache_side.o zpool.o)
$(foreach v,plain asan tsan,$(B)/host-$(v)/linux/%.o $(B)/host-$(v)/unittests/test_cache_%.o $(B)/host-$(v)/unittests/test_zpool.o): HOST_CFLAGS += -Iunittests/kernel -Wno-unused-parameter

# What is timed on the host: optimized, without assertions, with the machine's own locks
BENCH_CFLAGS = $(subst -iquote unittests/arch/hv,-iquote unittests/bench -iquote unittests/arch/hv,$(filter-out -DLAGAN_DEBUG,$(HOST_CFLAGS))) -O2

$(B)/host-bench/%.o: %.c Makefile
	mkdir -p $(@D)
	$(HOSTCC) $(BENCH_CFLAGS) -MMD -MP -c $< -o $@

PCACHEBENCH_OBJS := unittests/bench/pcache.o xen/lib/strlcpy.o $(HOST_MM)
UBCBENCH_OBJS := unittests/bench/ubc.o unittests/mm_kit.o xen/lib/strlcpy.o $(HOST_MM) $(UBC_HOST) unittests/strict_checks.o
REPLAY_PROGRAM_OBJS := unittests/replay/main.o $(PCPOLICY_OBJS) $(REPLAY_OBJS) xen/lib/strlcpy.o $(HOST_ARCH)
$(B)/host-bench/pcache: $(PCACHEBENCH_OBJS:%=$(B)/host-bench/%)
	$(HOSTCC) $(BENCH_CFLAGS) $^ -lcunit -lm -o $@
$(B)/host-bench/ubcbench: $(UBCBENCH_OBJS:%=$(B)/host-bench/%)
	$(HOSTCC) $(BENCH_CFLAGS) $^ -lcunit -lm -l:lib$(SHA_LIB).a -o $@
$(B)/host-bench/replay: $(REPLAY_PROGRAM_OBJS:%=$(B)/host-bench/%)
	$(HOSTCC) $(BENCH_CFLAGS) $^ -lcunit -lm -o $@
-include $(patsubst %.o,$(B)/host-bench/%.d,$(PCACHEBENCH_OBJS) $(UBCBENCH_OBJS) $(REPLAY_PROGRAM_OBJS))

.PHONY: bench-host
bench-host: $(B)/host-bench/pcache $(B)/host-bench/ubcbench $(B)/host-bench/replay ## what the caches cost on this machine, and what the page cache serves of traces
	$(B)/host-bench/pcache
	$(B)/host-bench/ubcbench
	nice $(B)/host-bench/replay -n 200000 -p 10000 zipf loop scan vm

VARIANT_plain :=
VARIANT_asan  := -fsanitize=address,undefined -fno-sanitize-recover=all
VARIANT_tsan  := -fsanitize=thread

define host_variant
$(B)/host-$(1)/%.o: %.c Makefile
	mkdir -p $$(@D)
	$$(HOSTCC) $$(HOST_CFLAGS) $$(VARIANT_$(1)) -MMD -MP -c $$< -o $$@
endef
define host_program
$(B)/host-$(1)/test_$(2): $(addprefix $(B)/host-$(1)/,unittests/prog_$(2).o $(HOST_COMMON) $(TEST_$(2)))
	$$(HOSTCC) $$(HOST_CFLAGS) $$(VARIANT_$(1)) $$^ $(LIBS_$(2):%=-l%) -lcunit -lm -o $$@
-include $(patsubst %.o,$(B)/host-$(1)/%.d,unittests/prog_$(2).o $(HOST_COMMON) $(TEST_$(2)))
endef
$(foreach v,plain asan tsan,$(eval $(call host_variant,$(v))))
$(foreach v,plain asan tsan,$(foreach p,$(TEST_PROGRAMS),$(eval $(call host_program,$(v),$(p)))))

# Random tests begin alike in each run of `make`; LAGAN_SEED= takes the clock, as the long forms do.
LAGAN_SEED ?= 1
export LAGAN_SEED

# One run of one program. What it says is kept and shown in one piece, since several may run at a time.
define host_run
.PHONY: run-$(1)-$(2)
run-$(1)-$(2): $(B)/host-$(if $(VARIANT_$(1)),$(1),plain)/test_$(2)
	status=0; $(RUN_$(1)) ./$$< >$(B)/run-$(1)-$(2).log 2>&1 || status=$$$$?; cat $(B)/run-$(1)-$(2).log; exit $$$$status
endef
RUN_plain    :=
RUN_valgrind := valgrind -q --fair-sched=yes --error-exitcode=9 --leak-check=full
RUN_asan     :=
RUN_tsan     := TSAN_OPTIONS=halt_on_error=1
$(foreach v,plain valgrind asan tsan,$(foreach p,$(TEST_PROGRAMS),$(eval $(call host_run,$(v),$(p)))))

.PHONY: check check-valgrind check-asan check-tsan mutants
check: $(TEST_PROGRAMS:%=run-plain-%) ## unit tests on the host
# Not the replays: millions of calls for the sake of their figures, which take minutes under it.
# Nor the file server: Debian's Valgrind does not know openat2(), which it cannot do without.
check-valgrind: $(patsubst %,run-valgrind-%,$(filter-out replay lagan9pd,$(TEST_PROGRAMS))) ## unit tests under Valgrind
check-asan: $(TEST_PROGRAMS:%=run-asan-%) ## unit tests under ASan and UBSan
# For the programs whose suites start threads.
check-tsan: $(patsubst %,run-tsan-%,log sched event mm shmem ubc pcache transport lagan9pd modules) ## unit tests under ThreadSanitizer

mutants: ## break the hypervisor on purpose, one line at a time: some unit test must notice each
	nice unittests/mutate

.PHONY: model
model: ## explore the models of the page types' and the flushes' protocol to the end (minutes)
	tools/install-packages model
	nice unittests/spin/run

# ---------------------------------------------------------------------------------------------------
# Fuzz targets (libFuzzer). Target NAME is unittests/fuzz/fuzz_NAME.c plus FUZZ_NAME.

FUZZERS := mm grant ubc event irq hypercall control bzimage elf cmdline modline pv_decode ptwr_decode acpi multiboot store pressure stream p9 pcpolicy pcache

FUZZ_mm        := $(HOST_MM)
FUZZ_grant     := $(HOST_MM) $(GRANT_OBJS)
FUZZ_ubc       := $(HOST_MM) $(UBC_HOST) unittests/mm_kit.o unittests/ubc_kit.o unittests/strict_checks.o
FUZZ_LIBS_ubc  := :lib$(SHA_LIB).a
FUZZ_event     := $(filter-out unittests/test_%,$(TEST_event))
FUZZ_irq       := $(filter-out unittests/test_%,$(TEST_irq)) xen/arch/x86/hcall_physdev.o xen/arch/x86/hcall_physdev_apic.o xen/lib/strlcpy.o
FUZZ_hypercall := $(CORE_WORLD) xen/lib/strlcpy.o
FUZZ_control   := $(FUZZ_hypercall)
FUZZ_LIBS_hypercall := $(UNPACK_LIBS) :lib$(SHA_LIB).a
FUZZ_LIBS_control := $(FUZZ_LIBS_hypercall)
FUZZ_FLAGS_control := -len_control=0
FUZZ_LIBS_bzimage := $(UNPACK_LIBS)
FUZZ_bzimage   := $(HOST_MM) $(LOADER_OBJS) xen/lib/parse.o xen/lib/strlcpy.o unittests/pack_kit.o
FUZZ_elf       := xen/elf.o xen/elf_notes.o xen/lib/parse.o xen/lib/strlcpy.o
FUZZ_cmdline   := xen/cmdline.o xen/option_value.o xen/options.o xen/lib/parse.o xen/lib/strlcpy.o
FUZZ_modline   := xen/modline.o xen/lib/parse.o xen/lib/strlcpy.o
FUZZ_pv_decode := xen/arch/x86/pv_decode.o
FUZZ_ptwr_decode := $(addprefix xen/arch/x86/,pv_ptwr_decode.o pv_ptwr_alu.o)
FUZZ_acpi      := unittests/fake_firmware.o $(addprefix xen/arch/x86/,acpi.o acpi_tables.o acpi_poweroff.o)
FUZZ_pressure  := $(BALLOON_OBJS) $(HOST_ARCH) mm/pcache_curve.o unittests/sim_balloon.o
FUZZ_pcpolicy  := $(PCPOLICY_OBJS) $(REPLAY_OBJS) $(HOST_ARCH)
FUZZ_pcache    := $(CORE_WORLD) xen/lib/strlcpy.o unittests/strict_checks.o
FUZZ_LIBS_pcache := $(UNPACK_LIBS) :lib$(SHA_LIB).a
# One call takes as many bytes as libFuzzer otherwise begins with.
FUZZ_FLAGS_pcache := -len_control=0
FUZZ_LIBS_pressure := cunit
FUZZ_store     := $(STORE_OBJS:%=guests/%)
FUZZ_stream    := $(TRANSPORT_OBJS)
FUZZ_p9        := $(TRANSPORT_OBJS) $(P9_OBJS) $(FILESERVER_OBJS:%=guests/%) unittests/cpio_kit.o $(filter tools/lagan-9pd/tree%,$(LAGAN9PD_TREE))
FUZZ_multiboot := $(addprefix xen/arch/x86/,multiboot.o bootinfo.o bootmem.o)

# Seconds a target; what was found is kept, to start from there the next time. A seed makes a run repeat;
# 0 takes another one each time, as the long forms do.
FUZZ_SECONDS ?= 5
FUZZ_SEED    ?= 1
FUZZ_CORPUS  ?= $(B)/fuzz-corpus
VARIANT_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all

$(B)/host-fuzz/%.o: %.c Makefile
	mkdir -p $(@D)
	clang $(HOST_CFLAGS) $(VARIANT_fuzz) -MMD -MP -c $< -o $@

define fuzz_program
$(B)/host-fuzz/fuzz_$(1): $(addprefix $(B)/host-fuzz/,unittests/fuzz/fuzz_$(1).o $(FUZZ_$(1)))
	clang -pthread -fsanitize=fuzzer,address,undefined $$^ $(FUZZ_LIBS_$(1):%=-l%) -o $$@
-include $(patsubst %.o,$(B)/host-fuzz/%.d,unittests/fuzz/fuzz_$(1).o $(FUZZ_$(1)))
endef
$(foreach f,$(FUZZERS),$(eval $(call fuzz_program,$(f))))

.PHONY: fuzz $(FUZZERS:%=run-fuzz-%)
fuzz: $(FUZZERS:%=run-fuzz-%) ## run each fuzz target for FUZZ_SECONDS (5)
$(FUZZERS:%=run-fuzz-%): run-fuzz-%: $(B)/host-fuzz/fuzz_%
	mkdir -p $(FUZZ_CORPUS)/$*
	$< -seed=$(FUZZ_SEED) -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -verbosity=0 -print_final_stats=1 \
	    $(FUZZ_FLAGS_$*) -artifact_prefix=$(B)/crash-$*- $(FUZZ_CORPUS)/$* >$(B)/fuzz-$*.log 2>&1 || \
	    { cat $(B)/fuzz-$*.log; exit 1; }
	echo "fuzz $*: $$(sed -n 's/stat::number_of_executed_units: *//p' $(B)/fuzz-$*.log) inputs, no fault"

# The long forms of the tests that have one. SOAK_MINUTES are divided among them.
SOAK_MINUTES ?= 60
.PHONY: soak
soak: $(B)/host-plain/test_core $(B)/host-asan/test_core $(foreach p,mm event shmem pcache ubc,$(B)/host-plain/test_$(p) $(B)/host-asan/test_$(p) $(B)/host-tsan/test_$(p)) \
      $(B)/host-tsan/test_sched $(FUZZERS:%=$(B)/host-fuzz/fuzz_%) $(B)/lagan guests linux-guests ## random tests, fuzzers, threads and guests, over and over for SOAK_MINUTES (60)
	tools/install-packages test qemu linux
	nice tools/soak $(SOAK_MINUTES) $(FUZZERS)

# ---------------------------------------------------------------------------------------------------
# Guests: small PV kernels that test the hypervisor from inside. Each is guests/NAME.c (GUEST_NAME: more
# files of the same guest) on top of the kit; only the public ABI is used.

GUESTS := hello console ticks events smp traps isolate tlb stress echo evil bench mmubench membench mmu reserve evil_mmu auditor pti grant grantbench balloon pressure lifetime store storetest fileserver fileclient transport streambench ubc publisher replay cached pcachebench evil_pcache machine hostmem disk
BARE_GUESTS := hello compat

GUEST_store := $(STORE_OBJS)
GUEST_storetest := storetest/client.o
GUEST_traps := traps/exception.o traps/entry.o traps/descriptor.o traps/emulate.o traps/hypercall.o \
            traps/pointer.o traps/flags.o traps/nmi.o traps/small.o
GUEST_evil  := evil/crash.o evil/call.o evil/cpu.o evil/device.o evil/control.o
GUEST_mmubench := mmubench/hold.o mmubench/last_use.o
GUEST_mmu   := mmu/update.o mmu/refused.o mmu/map.o mmu/pin.o mmu/base.o mmu/flush.o mmu/types.o mmu/write.o
GUEST_evil_mmu := evil_mmu/entry.o evil_mmu/linear.o evil_mmu/leak.o evil_mmu/frame.o evil_mmu/race.o \
            evil_mmu/context.o evil_mmu/freed.o evil_mmu/others.o

GUEST_balloon := kit/balloon.o
GUEST_pressure := kit/balloon.o
GUEST_replay := replay/lru.o replay/trace.o replay/grow.o kit/pcache.o
GUEST_pcachebench := kit/pcache.o
GUEST_evil_pcache := evil_pcache/name.o evil_pcache/frame.o evil_pcache/call.o kit/grant.o kit/pcache.o
GUEST_grant := grant/map.o grant/copy.o grant/pair.o

GUEST_transport  := $(TRANSPORT_OBJS) kit/link.o kit/stream.o
GUEST_streambench := $(TRANSPORT_OBJS) kit/link.o kit/stream.o
GUEST_fileserver := $(FILESERVER_OBJS) $(TRANSPORT_OBJS) $(P9_OBJS) kit/link.o
GUEST_fileclient := fileclient/p9_client.o $(TRANSPORT_OBJS) kit/link.o kit/cksum.o
GUEST_disk := storetest/client.o kit/cksum.o

KIT_OBJS := entry.o start.o args.o check.o console.o cpu.o event.o event_fifo.o event_op.o grant.o lib.o page.o \
            space.o table.o time.o trap.o

GUEST_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-builtin -fno-pic -mno-red-zone -mgeneral-regs-only \
             -fno-stack-protector -fno-omit-frame-pointer -fno-strict-aliasing -fno-asynchronous-unwind-tables \
             -fcf-protection=none -fno-common $(REPRO) $(WARN) $(ABI) -Iinclude/public -iquote guests -iquote .

# Two kinds of image (guests/kit/entry.S): high, with all notes, and bare, from address 0.
GUEST_KIND_high := -mcmodel=kernel
GUEST_BASE_high := 0xffffffff80000000
GUEST_KIND_bare := -mcmodel=small -DKIT_BARE
GUEST_BASE_bare := 0

define guest_kind
$(B)/guests/$(1)/%.o: guests/%.c Makefile
	mkdir -p $$(@D)
	$$(CC) $$(GUEST_CFLAGS) $$(GUEST_KIND_$(1)) -MMD -MP -c $$< -o $$@

$(B)/guests/$(1)/transport/%.o: transport/%.c Makefile
	mkdir -p $$(@D)
	$$(CC) $$(GUEST_CFLAGS) $$(GUEST_KIND_$(1)) -MMD -MP -c $$< -o $$@

$(B)/guests/$(1)/kit/entry.o: guests/kit/entry.S Makefile
	mkdir -p $$(@D)
	$$(CC) -D__ASSEMBLY__ -g $$(REPRO) $$(filter -D%,$$(GUEST_KIND_$(1))) -c $$< -o $$@
-include $(KIT_OBJS:%.o=$(B)/guests/$(1)/kit/%.d)
endef
$(foreach k,high bare,$(eval $(call guest_kind,$(k))))

# $(1) guest, $(2) kind, $(3) name of the image
define guest_program
$(B)/guests/$(3): $(addprefix $(B)/guests/$(2)/,$(1).o $(GUEST_$(1)) $(KIT_OBJS:%=kit/%)) guests/kit/guest.lds
	$$(LD) -nostdlib -static -z max-page-size=4096 --build-id=none --defsym=VIRT_BASE=$$(GUEST_BASE_$(2)) \
	  -T guests/kit/guest.lds $$(filter %.o,$$^) -o $$@
-include $(patsubst %.o,$(B)/guests/$(2)/%.d,$(1).o $(GUEST_$(1)))
endef
$(foreach g,$(GUESTS),$(eval $(call guest_program,$(g),high,$(g))))
$(foreach g,$(BARE_GUESTS),$(eval $(call guest_program,$(g),bare,$(g)-bare)))

.PHONY: guests
guests: $(GUESTS:%=$(B)/guests/%) $(BARE_GUESTS:%=$(B)/guests/%-bare) ## build the test guests

# Programs that run inside Linux guests: static, since the initramfs has no C library but where it has stress-ng.
LINUX_PROBES := probe signals ldt xstate clock step segments memory loops store threads reads window measure files
LINUX_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -fno-strict-aliasing -pthread $(REPRO) $(WARN)

$(B)/linux/obj/%.o: guests/linux/%.c Makefile
	mkdir -p $(@D)
	$(CC) $(LINUX_CFLAGS) -fno-pie -MMD -MP -c $< -o $@
-include $(LINUX_PROBES:%=$(B)/linux/obj/%.d)

$(B)/linux/obj/%.o: guests/linux/%.S Makefile
	mkdir -p $(@D)
	$(CC) -fno-pie -MMD -MP -c $< -o $@

$(B)/linux/bin/probe: $(addprefix $(B)/linux/obj/,$(LINUX_PROBES:%=%.o) hold.o)
	mkdir -p $(@D)
	$(CC) -static -no-pie -pthread -s $^ -o $@

$(B)/linux/bin/bits32: guests/linux/bits32.c Makefile
	mkdir -p $(@D)
	$(CC) -m32 -std=gnu11 -O2 -ffreestanding -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables $(WARN) \
	  -static -no-pie -nostdlib -s -Wl,--build-id=none $< -o $@

# What administrators run in the control domain.
TOOL_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE $(REPRO) $(WARN) $(ABI) \
               -iquote . -iquote include/public

$(B)/tools/%.o: tools/%.c Makefile
	mkdir -p $(@D)
	$(CC) $(TOOL_CFLAGS) -MMD -MP -c $< -o $@
-include $(patsubst tools/%.o,$(B)/tools/%.d,$(LAGANCTL_OBJS) $(addprefix tools/laganctl/,host.o daemon.o main.o))
-include $(patsubst tools/%.o,$(B)/tools/%.d,$(LAGAND_OBJS) $(addprefix tools/lagand/,store.o main.o) $(AGENT_OBJS) tools/lagan-agent/main.o)

$(B)/tools/laganctl/laganctl: $(patsubst tools/%,$(B)/tools/%,$(LAGANCTL_OBJS) $(addprefix tools/laganctl/,host.o daemon.o main.o))
	$(CC) -pie -Wl,-z,relro,-z,now $^ -lxencall -lxenstore -lsmartcols -lncursesw -ltinfo -lm -o $@

$(B)/tools/lagand/lagand: $(patsubst tools/%,$(B)/tools/%,$(LAGAND_OBJS) tools/laganctl/host.o $(addprefix tools/lagand/,store.o main.o))
	$(CC) -pie -Wl,-z,relro,-z,now $^ -lxencall -lxenstore -lxenevtchn -lm -o $@

AGENT_O = $(patsubst tools/%,$(B)/tools/%,$(AGENT_OBJS) tools/lagan-agent/main.o)
$(B)/tools/lagan-agent/lagan-agent: $(AGENT_O)
	$(CC) -pie -Wl,-z,relro,-z,now $^ -lxenevtchn -o $@

# For guests that have no libraries
$(B)/linux/bin/lagan-agent: $(AGENT_O)
	mkdir -p $(@D)
	$(CC) -static -s $^ -lxenevtchn -lxentoolcore -lxentoollog -pthread -o $@

PUBLISH_OBJS := tools/publish/main.o tools/publish/serve.o tools/publish/source.o tools/laganctl/host.o
-include $(patsubst tools/%.o,$(B)/tools/%.d,$(PUBLISH_OBJS))
$(B)/tools/publish/lagan-publish: $(patsubst tools/%,$(B)/tools/%,$(PUBLISH_OBJS))
	$(CC) -pie -Wl,-z,relro,-z,now $^ -lxencall -lxenstore -lxenevtchn -o $@

# What serves directories to guests, there or in a domain of its own.
LAGAN9PD_OBJS := $(LAGAN9PD_TREE) $(addprefix tools/lagan-9pd/,share.o main.o) tools/linux/xendev.o
LAGAN9PD_PARTS := $(P9_OBJS) transport/pfs.o

$(B)/tools/linux/%.o $(B)/tools/lagan-9pd/%.o: TOOL_CFLAGS += -pthread -iquote tools/linux
$(B)/tools/transport/%.o: transport/%.c Makefile
	mkdir -p $(@D)
	$(CC) $(TOOL_CFLAGS) -MMD -MP -c $< -o $@
-include $(patsubst tools/%.o,$(B)/tools/%.d,$(LAGAN9PD_OBJS)) $(LAGAN9PD_PARTS:%.o=$(B)/tools/%.d)

$(B)/tools/lagan-9pd/lagan-9pd: $(patsubst tools/%,$(B)/tools/%,$(LAGAN9PD_OBJS)) $(LAGAN9PD_PARTS:%=$(B)/tools/%)
	$(CC) -pie -pthread -Wl,-z,relro,-z,now $^ -lxenstore -o $@

.PHONY: tools
tools: $(B)/tools/laganctl/laganctl $(B)/tools/lagand/lagand $(B)/tools/publish/lagan-publish $(B)/tools/lagan-9pd/lagan-9pd $(B)/tools/lagan-agent/lagan-agent ## build the administrator's tools, the daemons, the guests' agent

# What programs of Linux link to open a stream to another domain: build/linux/libvstream.a
LIBRARY_OBJS := $(TRANSPORT_OBJS) $(addprefix tools/linux/,vstream.o xendev.o)

$(LIBRARY_OBJS:%=$(B)/linux/lib/%): $(B)/linux/lib/%.o: %.c Makefile
	mkdir -p $(@D)
	$(CC) $(LINUX_CFLAGS) -iquote . -iquote tools/linux -iquote include/public $(ABI) -fpic -MMD -MP -c $< -o $@
-include $(LIBRARY_OBJS:%.o=$(B)/linux/lib/%.d)

$(B)/linux/libvstream.a: $(LIBRARY_OBJS:%=$(B)/linux/lib/%)
	rm -f $@
	$(AR) rcs $@ $^

.PHONY: test-xl test-xl-xen test-terminal
test-xl: $(B)/lagan guests ## Debian as dom0, and all that its xl can do with guests (the long runs)
	tools/install-packages qemu linux
	tools/linux-tests 'linux-xl*'
test-terminal: $(B)/lagan linux-guests ## `make run` before a terminal, with somebody who types
	tools/install-packages qemu linux
	tools/test-terminal
test-xl-xen: guests ## the same on Debian's Xen
	tools/install-packages qemu linux
	tools/linux-tests -x 'linux-xl*'

.PHONY: linux-guests
linux-guests: tools $(B)/linux/bin/probe $(B)/linux/bin/bits32 $(B)/linux/bin/lagan-agent $(B)/linux/libvstream.a ## build what runs inside the Linux guests

.PHONY: test-runner test-grub-menu test-qemu test-failures test-qemu-all test-xen test-linux test-linux-all test-linux-xen soak-linux soak-services bench bench-quick bench-docs bench-parts
test-grub-menu: $(B)/lagan guests ## what Debian's GRUB menu script writes, booted through GRUB
	tools/install-packages qemu disc
	tools/test-grub-menu

test-runner: ## test the judge of the QEMU runs, and what makes the table of `make bench`
	tools/install-packages bench
	tools/test-run-qemu
	tools/test-bench

test-qemu: $(B)/lagan guests ## boot the image with test guests in QEMU (the short runs)
	tools/install-packages qemu disc
	tools/qemu-tests

test-failures: $(B)/lagan guests ## crash dumps, the watchdog, debug keys, console input, bad modules
	tools/qemu-failures

test-qemu-all: $(B)/lagan guests ## the same with the long runs: big machines, each attack by itself
	tools/install-packages qemu disc
	tools/qemu-tests -a

test-linux: $(B)/lagan guests linux-guests ## boot Debian's Linux in QEMU, and let it work (the short runs)
	tools/install-packages qemu linux
	tools/linux-tests

test-linux-all: $(B)/lagan guests linux-guests ## the same with the long runs: all load, all kernels that Debian still has
	tools/install-packages qemu linux
	tools/linux-tests -a

test-linux-xen: linux-guests ## the same runs, as far as they have one domain, on Debian's Xen
	tools/install-packages qemu linux
	tools/linux-tests -x

soak-linux: $(B)/lagan guests linux-guests ## three Linux guests at work for SOAK_MINUTES (60), then the audit and the memory
	tools/install-packages qemu linux
	tools/linux-soak $(SOAK_MINUTES)

soak-services: $(B)/lagan guests linux-guests ## Debian guests over the memory services, under fire, for SOAK_MINUTES (60)
	tools/install-packages qemu linux
	tools/services-soak $(SOAK_MINUTES)

# ---- Debian packages ----
.PHONY: deb test-deb
deb: ## build the Debian packages, in build/deb
	tools/install-packages deb
	tools/make-deb

test-deb: deb ## install and remove the packages, and boot a Debian through GRUB with them and without
	tools/install-packages deb-test
	tools/test-deb

test-xen: guests linux-guests $(B)/lagan ## the test guests on Debian's Xen, and the same verdicts on ours; xl's long runs
	tools/test-xen
	tools/linux-tests -x 'linux-xl*'

# Figures, not verdicts. The image that is measured is the one without assertions.
bench-parts: guests linux-guests $(B)/host-bench/pcache $(B)/host-bench/ubcbench $(B)/host-bench/replay
	tools/install-packages qemu linux bench
	$(MAKE) --no-print-directory DEBUG=0 B=$(B)/release all

bench: bench-parts ## one table of what everything costs, beside Debian's Xen and the goals (ROW=PATTERN: these rows only)
	tools/bench $(B)/release/lagan $(if $(ROW),'$(ROW)')

bench-quick: bench-parts ## the same without what takes long
	tools/bench -q $(B)/release/lagan $(if $(ROW),'$(ROW)')

bench-docs: ## put the table that was last measured into docs/bench.md
	tools/bench-docs

# ---------------------------------------------------------------------------------------------------
# Lint: everything that can be said about the sources without running them. Each part is a target of its own.

SOURCES = git ls-files --cached --others --exclude-standard -- '*.c' '*.h'
SCRIPTS = grep -d skip -lE '^\#!/bin/(ba)?sh' tools/* tools/xen/* linux/initramfs/* tools/scenes/* guests/linux/init .ci/* unittests/mutate unittests/spin/run debian/*.p* debian/stage-tools debian/grub/20_linux_lagan

# clang's analysis of lock contracts (lagan/lock.h); gcc has none.
ifdef THREAD_SAFETY
HV_CFLAGS += -Wthread-safety
endif

LINTS := lint-format lint-layers lint-sizes lint-headers lint-gcc lint-release lint-clang lint-undefined lint-init \
         lint-shell lint-docs

.PHONY: lint $(LINTS) objects format
lint: $(LINTS) ## format, ranks, sizes, headers, both compilers, scripts
	echo "lint: nothing found"

lint-format:
	$(SOURCES) | xargs clang-format --dry-run -Werror

lint-layers:
	tools/check-layers

lint-sizes:
	tools/check-sizes

lint-docs:
	tools/check-docs

lint-headers:
	tools/check-headers gcc $(HV_CFLAGS)

lint-gcc:
	$(MAKE) --no-print-directory CC=gcc DEBUG=1 B=$(B)/lint-gcc objects

lint-release:
	$(MAKE) --no-print-directory CC=gcc DEBUG=0 B=$(B)/lint-release objects

lint-clang:
	$(MAKE) --no-print-directory CC=clang DEBUG=1 THREAD_SAFETY=1 B=$(B)/lint-clang objects

# mm/ and the services need nothing but the contract with the machine.
lint-undefined: $(patsubst %,$(B)/hv/%,$(MM_OBJS) $(GRANT_OBJS) $(BALLOON_OBJS))
	$(if $^,tools/check-undefined $^)

# What stays refers to nothing that goes after the boot, whichever compiler decides what is inlined.
lint-init: lint-gcc lint-release lint-clang
	for b in gcc release clang; do tools/check-init $(HV_OBJS:%=$(B)/lint-$$b/hv/%); done

lint-shell:
	shellcheck --severity=warning --exclude=SC1007 $$($(SCRIPTS))
	shellcheck --severity=warning -s bash tools/laganctl/laganctl.bash

objects: $(HV_O)

format: ## let clang-format have its way
	$(SOURCES) | xargs clang-format -i

# ---------------------------------------------------------------------------------------------------
# Main jobs. They install the Debian packages that they lack (tools/packages.txt), and use all processors unless
# -j says otherwise.

SUB = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: run test test-host test-all test-parts test-all-parts test-reproducible clean help
run: ## the demonstration in QEMU, SCENE= one of tools/scenes/ only; with a terminal it is interactive
	tools/install-packages build qemu linux
	+$(SUB) all guests linux-guests
	tools/demo $(SCENE)

test-host: ## unit tests, plain and under each checker, and a short run of the fuzzers
	tools/install-packages build test
	+$(SUB) check
	+$(SUB) check-valgrind
	+$(SUB) check-asan
	+$(SUB) check-tsan
	+$(SUB) fuzz

test: ## everything that has to pass: the image, the unit tests, then the guests in QEMU
	mkdir -p $(B)
	+tools/with-totals $(B)/test.log $(SUB) test-parts

test-parts:
	tools/install-packages build test qemu disc linux
	+$(SUB) all guests
	+$(SUB) test-host
	+$(SUB) test-runner
	+$(SUB) test-failures
	+$(SUB) test-grub-menu
	+$(SUB) test-qemu
	+$(SUB) test-linux

test-all: ## the same with the long QEMU runs, the guests on Debian's Xen, and two builds compared
	mkdir -p $(B)
	+tools/with-totals $(B)/test-all.log $(SUB) test-all-parts

test-all-parts:
	tools/install-packages build test qemu disc linux
	+$(SUB) all guests
	+$(SUB) test-host
	+$(SUB) test-reproducible
	+$(SUB) test-runner
	+$(SUB) test-failures
	+$(SUB) test-grub-menu
	+$(SUB) test-xen
	+$(SUB) test-qemu-all
	+$(SUB) test-deb
	+$(SUB) test-linux-all
	+$(SUB) test-terminal

test-reproducible: ## build twice, in two directories: the same bytes
	tools/test-reproducible

clean: ## remove everything built
	rm -rf $(B)

help: ## this list
	grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 20
