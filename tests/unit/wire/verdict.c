#include "fairlead/wire/verdict.h"

#include "fairlead/base/err.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

Test(verdict, reasons_say_what_rfc8914_says)
{
	static const struct {
		enum fl_reason reason;
		uint16_t ede;
		enum fl_rcode rcode;
	} cases[] = {
		{ FL_REASON_NONE, FL_EDE_NONE, FL_RCODE_NOERROR },
		{ FL_REASON_ALGORITHM, 1, FL_RCODE_NOERROR },
		{ FL_REASON_STALE, 3, FL_RCODE_NOERROR },
		{ FL_REASON_BOGUS, 6, FL_RCODE_SERVFAIL },
		{ FL_REASON_SIGNATURE_EXPIRED, 7, FL_RCODE_SERVFAIL },
		{ FL_REASON_NSEC_MISSING, 12, FL_RCODE_SERVFAIL },
		{ FL_REASON_BLOCKED, 15, FL_RCODE_NXDOMAIN },
		{ FL_REASON_PROHIBITED, 18, FL_RCODE_REFUSED },
		{ FL_REASON_NOT_AUTHORITATIVE, 20, FL_RCODE_REFUSED },
		{ FL_REASON_NOT_SUPPORTED, 21, FL_RCODE_NOTIMP },
		{ FL_REASON_DEADLINE, 22, FL_RCODE_SERVFAIL },
		{ FL_REASON_LIMIT_ZONE, 0, FL_RCODE_SERVFAIL },
		{ FL_REASON_FAILED, 0, FL_RCODE_SERVFAIL },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		cr_expect_eq(fl_reason_ede(cases[i].reason), cases[i].ede, "case %zu", i);
		cr_expect_eq(fl_reason_rcode(cases[i].reason), cases[i].rcode, "case %zu", i);
	}
}

Test(verdict, every_reason_is_whole)
{
	for (int r = 0; r < FL_REASON_COUNT; r++) {
		const char *counter = fl_reason_counter((enum fl_reason)r);
		const char *text = fl_reason_text((enum fl_reason)r);
		cr_expect_leq(strlen(text), FL_REASON_TEXT_MAX);
		cr_expect_eq(strlen(text) == 0, r == FL_REASON_NONE, "reason %d has no text",
			     r);
		cr_assert_gt(strlen(counter), 0);
		for (const char *c = counter; *c != '\0'; c++) { /* a metric's label */
			cr_expect(islower((unsigned char)*c) || *c == '_', "%s", counter);
		}
		for (int other = 0; other < r; other++) {
			cr_expect_str_neq(counter, fl_reason_counter((enum fl_reason)other));
		}
	}
}

Test(verdict, text)
{
	static const char *const texts[] = { "insecure", "secure", "bogus", "failed" };
	for (int v = 0; v < FL_VERDICT_COUNT; v++) {
		cr_expect_str_eq(fl_verdict_text((enum fl_verdict)v), texts[v]);
	}
}
