/** Exit status of a server that wants to be started again at once, as after a restore (EX_TEMPFAIL of sysexits.h). */
export const START_AGAIN = 75;
