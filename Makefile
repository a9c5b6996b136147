# SPDX-License-Identifier: GPL-2.0
# virtio between SoCs over PCIe: the front door. `make help` lists what it does.

# Where the kernel to build for lives; any kernel build directory with Rust metadata will do.
KDIR ?= /lib/modules/$(shell uname -r)/build
BUILD := $(CURDIR)/build
# A kernel that signs all modules can only sign these where its key is.
SIGNING := $(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=)
ENTER := tools/build/enter.sh

.DEFAULT_GOAL := help

##@ On the machine that will run them
modules: ## Build the modules for the kernel in KDIR, into build/modules
	@tools/build/check-kdir.sh $(KDIR)
	@mkdir -p $(BUILD)/modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) MO=$(BUILD)/modules $(TARGET)

modules_install: ## Install what `make modules` built, for the kernel in KDIR
	$(MAKE) -C $(KDIR) M=$(CURDIR) MO=$(BUILD)/modules $(SIGNING) modules_install

udev_install: ## Install rules for vDPA devices that appear by themselves, into DESTDIR
	install -D -m 644 tools/udev/70-epf-vdpa.rules $(DESTDIR)/usr/lib/udev/rules.d/70-epf-vdpa.rules

##@ The two-machine demonstration and the tests (as root, on Debian 12 or 13)
demo: vms ## Boot an EP and an RC, run disk and network I/O between them
	$(ENTER) tools/testing/run demo

test: vms ## Run every test; KTAP files under build/test
	$(ENTER) tools/testing/run test

bench: vms ## Measure ours and mainline's peers side by side, for Documentation/bench; QUICK=1 takes twenty minutes
	$(ENTER) tools/testing/run bench --publish $(if $(QUICK),--quick)

test-debug: vms-debug ## Run the machine tests on kernels with KASAN, lockdep and kmemleak
	$(ENTER) tools/testing/run test --debug

test-emulator: vms ## Run what takes long: every board, every death of an endpoint, many reboots, several functions and endpoints, pushed queues of processes, guests of QEMU, an hour of data
	$(ENTER) tools/testing/run test all_boards ntb_polled many_reboots all_deaths deaths_pushed functions endpoints vhost_vdpa_pushed nested soak soak_pushed soak_dma soak_both

fuzz: setup ## Fuzz the pure crates, TIME seconds per target (default 60)
	$(ENTER) tools/build/fuzz.sh run $(or $(TIME),60)

model-check: setup ## Prove the transport for large bounds (6 minutes of processor time, 1 GiB)
	$(ENTER) cargo run --locked --release --manifest-path tools/testing/Cargo.toml -p model -- check --large

vms: setup modules-rc modules-ep ## Build all that the two machines need

vms-debug: ## Build all that the two machines need for that (half an hour the first time)
	tools/build/setup.sh debug
	$(ENTER) tools/build/modules.sh rc-debug
	$(ENTER) tools/build/modules.sh ep-debug

setup: ## Install and build the tools, the kernels and the guest images (cached)
	tools/build/setup.sh

##@ Modules for the test machines
modules-rc: setup ## Build the modules for the stock Debian kernel of the RC
	$(ENTER) tools/build/modules.sh rc $(TARGET)

modules-ep: setup ## Build the modules for the EP's kernel
	$(ENTER) tools/build/modules.sh ep $(TARGET)

##@ Style
clippy: setup ## Lint kernel and host code
	$(ENTER) tools/build/modules.sh rc CLIPPY=1
	$(ENTER) tools/build/modules.sh ep CLIPPY=1
	$(ENTER) tools/build/host.sh clippy

fmt: setup ## Format kernel and host code
	$(ENTER) tools/build/format.sh

fmt-check: setup ## Say what `make fmt` would change
	$(ENTER) tools/build/format.sh --check

docs: setup ## Build Documentation/ as HTML into build/docs
	$(ENTER) sphinx-build -q -W -b html -c Documentation Documentation $(BUILD)/docs

##@ Other
clean: ## Remove build/; the cache outside the tree stays
	rm -rf $(BUILD)

clean-cache: ## Remove the cache: sysroot, kernels, images
	tools/build/clean-cache.sh

help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z_-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: modules modules_install udev_install demo test bench test-debug test-emulator fuzz model-check vms vms-debug setup modules-rc \
	modules-ep clippy fmt fmt-check docs clean clean-cache help
