# SPDX-License-Identifier: GPL-2.0-only
#
# Thin: what is done is in tests/. Products go to build/.

help:
	@echo 'make modules             the modules for both kernels of the lab'
	@echo 'make modules KDIR=DIR    the modules for the kernel build folder DIR'
	@echo 'make lab                 the Debian root that all else runs in (made once, outside the tree)'
	@echo 'make demo                one recovery as a story, in a virtual machine'
	@echo 'make check               all checks: unit model lint tools libmdr fuzz mdrctl mdevctl modules vm amd selftest soak'
	@echo 'make check-PART          one of them, or one that is not among all: see tests/check'
	@echo 'make lab-debug           the debug kernel that check-debug runs on (made once, outside the tree)'
	@echo 'make check-debug         the scenarios on a kernel that checks itself; not part of make check'
	@echo 'make check-debug-some    those of them that need it most'
	@echo 'make doc-scenarios       writes Documentation/scenarios.md from the sources of the scenarios'
	@echo 'make bench               what the shim costs beside vfio-pci, by counting instructions'
	@echo 'make coverage            which lines of the driver no scenario comes to'
	@echo 'make soak                users, errors and an administrator as a seed says; SEED=1 COUNT=200 unless told'
	@echo 'make tools               the programs, for this machine, in build/tools'
	@echo 'make install             programs, profiles and the DKMS tree; DESTDIR=, prefix=/usr; make uninstall'
	@echo 'make dkms                the tree that DKMS builds the modules from, in build/dkms'
	@echo 'make deb                 the Debian packages, in build/deb'
	@echo 'make release             source, packages and checksums of the version that is tagged at HEAD'
	@echo 'make clean               removes build/'

lab:
	@tests/lab/build

lab-debug:
	@tests/lab/debug/build

modules: $(if $(KDIR),,lab)
	@tests/lab/modules $(KDIR)

check: lab
	@tests/check

# the machines load what was built
check-vm check-amd check-selftest check-soak check-budgets check-libvirt check-boot check-install check-mutants: modules

PARTS := unit model model-all lint tools libmdr fuzz mdrctl mdevctl modules vm amd selftest soak packages libvirt boot install \
	kernels kernels-suite mutants budgets
$(PARTS:%=check-%): check-%: lab
	@tests/check $*

check-debug: lab lab-debug
	@tests/check modules-debug debug selftest-debug

check-debug-some: lab lab-debug
	@tests/check modules-debug debug-some

check-mutants-debug: lab lab-debug
	@tests/check modules-debug mutants-debug

doc-scenarios:
	@Documentation/scenarios.sh

demo: modules
	@tests/vm/run --demo

bench: modules
	@tests/bench/run

coverage: modules
	@tests/coverage/run

soak: modules
	@tests/soak/run $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) --shrink

tools:
	@$(if $(wildcard tools/Makefile),$(MAKE) -C tools)

install: tools
install uninstall dkms:
	@$(MAKE) --no-print-directory -C packaging $@

deb release: lab
	@$(MAKE) --no-print-directory -C packaging $@

clean:
	rm -rf build

.PHONY: help lab lab-debug modules check $(PARTS:%=check-%) check-debug check-debug-some \
	check-mutants-debug demo bench coverage soak clean doc-scenarios tools install uninstall dkms deb release
