package ticket

// TicketOf is for tests that play a Keeper.
var TicketOf = ticketOf
