#include <fnmatch.h>
#include <stdio.h>

#include "helper/policy.h"

static bool allows(const struct tl_strv *globs, const char *name)
{
	for (size_t i = 0; i < globs->count; i++)
		if (fnmatch(globs->items[i], name, 0) == 0)
			return true;
	return false;
}

int tl_policy_check_collect(const struct tl_policy *policy, const char *profile, const char *level,
			    size_t recipients, struct tl_err *err)
{
	char name[65];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(profile, ":"), profile);
	if (!allows(&policy->collect_profiles, name))
		return tl_err_set(err, TL_EDENIED,
				  "this machine's policy does not allow the profile \"%s\" "
				  "(collect.profiles)",
				  name);
	if (!tl_strv_has(&policy->collect_levels, level))
		return tl_err_set(err, TL_EDENIED,
				  "this machine's policy does not allow the level \"%s\" "
				  "(collect.levels)",
				  level);
	if (policy->collect_recipients_required && recipients == 0)
		return tl_err_set(err, TL_EDENIED,
				  "this machine's policy wants bundles to be encrypted: name a "
				  "recipient (collect.recipients_required)");
	return 0;
}

int tl_policy_check_include(const struct tl_policy *policy, size_t includes, struct tl_err *err)
{
	if (includes == 0 || allows(&policy->collect_profiles, "full"))
		return 0;
	return tl_err_set(err, TL_EDENIED,
			  "this machine's policy does not allow the profile \"full\", and with it "
			  "no collectors beside a profile's own (collect.profiles)");
}

void tl_policy_add_excludes(const struct tl_policy *policy, json_t *exclude)
{
	for (size_t i = 0; i < policy->collect_exclude.count; i++)
		json_array_append_new(exclude, json_string(policy->collect_exclude.items[i]));
}
