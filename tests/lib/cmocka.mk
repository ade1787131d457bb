# SPDX-License-Identifier: GPL-2.0-only
#
# Tests with cmocka, under ASan and UBSan. Included, with these set:
#
#   OUT      where to build, RESULTS where the TAP file goes
#   SOURCE   the sources under test
#   TESTS    the programs; NAME_test is of NAME_test.c
#   OBJECTS  what each is linked with
#   FLAGS    more for the compiler, LIBS more for the linker
#
# Parameters may be unused: cmocka hands one to each test, libvirt to each callback.

CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -Wmissing-prototypes \
	-Wstrict-prototypes -Wshadow -Wno-unused-parameter \
	-fsanitize=address,undefined -fno-sanitize-recover=all \
	-I$(SOURCE) -I../lib $(FLAGS)

all: $(TESTS:%=$(OUT)/%)

check: all
	@../lib/cmocka $(notdir $(CURDIR)) $(OUT) $(RESULTS) $(TESTS)

$(OUT)/%_test: $(OUT)/%_test.o $(OBJECTS:%=$(OUT)/%.o)
	$(CC) $(CFLAGS) -o $@ $(filter %.o,$^) -lcmocka $(LIBS)

vpath %.c $(SOURCE)
$(OUT)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

clean:
	rm -rf $(OUT)

.PHONY: all check clean
.PRECIOUS: $(OUT)/%.o
-include $(wildcard $(OUT)/*.d)
