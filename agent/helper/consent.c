#include "helper/consent.h"

void tl_consent_init(struct tl_consent *consent, unsigned asked_scopes)
{
	*consent = (struct tl_consent){.state = TL_CONSENT_ASKING, .asked_scopes = asked_scopes};
}

static int take_answer(struct tl_consent *consent, const struct tl_consent_answer *answer,
		       struct tl_err *err)
{
	if (!answer)
		return tl_err_set(err, TL_EINTERNAL, "an answer is missing");
	if (answer->yes && (answer->scopes & ~consent->asked_scopes))
		return tl_err_set(err, TL_EINVAL, "the answer allows more than was asked for");
	consent->uid = answer->uid;
	consent->given_scopes = answer->yes ? answer->scopes : 0;
	consent->state = consent->given_scopes ? TL_CONSENT_YES : TL_CONSENT_NO;
	return 0;
}

int tl_consent_step(struct tl_consent *consent, enum tl_consent_event event,
		    const struct tl_consent_answer *answer, struct tl_err *err)
{
	if (consent->state != TL_CONSENT_ASKING)
		return tl_err_set(err, TL_ECONFLICT, "this request was decided before");
	switch (event) {
	case TL_CONSENT_EV_ANSWER:
		return take_answer(consent, answer, err);
	case TL_CONSENT_EV_DEADLINE:
		consent->state = TL_CONSENT_TIMEOUT;
		return 0;
	case TL_CONSENT_EV_WITHDRAW:
		consent->state = TL_CONSENT_WITHDRAWN;
		return 0;
	}
	return tl_err_set(err, TL_EINTERNAL, "an unknown event");
}

const char *tl_consent_decision(const struct tl_consent *consent)
{
	switch (consent->state) {
	case TL_CONSENT_YES:
		return "yes";
	case TL_CONSENT_TIMEOUT:
		return "timeout";
	default:
		return "no";
	}
}
