// SPDX-License-Identifier: GPL-2.0-only
/* The table of settings of a module, which may be newer than the library. */
#include <stdio.h>

#include "fuzz.h"
#include "fuzz_root.h"
#include "libmdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mdr_setting *setting;
	struct mdr_settings *settings;
	struct mdr *mdr = fuzz_root(data, size);
	uint64_t low, high;
	const char *word;

	if (!mdr_settings_get(mdr, &settings)) {
		for (size_t i = 0; (setting = mdr_settings_at(settings, i)); i++) {
			MUST(*mdr_setting_name(setting));
			mdr_setting_unit(setting);
			mdr_setting_allows(setting, "1");
			mdr_setting_allows(setting, "18446744073709551616");
			if (mdr_setting_range(setting, &low, &high))
				continue;
			for (size_t n = 0; (word = mdr_setting_word(setting, n)); n++)
				mdr_setting_allows(setting, word);
		}
		mdr_settings_free(settings);
	}
	mdr_free(mdr);
	return 0;
}
