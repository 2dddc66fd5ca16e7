"""pyghmi_bmc.py ADDRESS PORT USER PASSWORD on|off: one BMC of pyghmi on one address."""
import sys

from pyghmi.ipmi import bmc


class BMC(bmc.Bmc):
    power = sys.argv[5]

    def get_power_state(self):
        return self.power

    def power_on(self):
        self.power = 'on'

    def power_off(self):
        self.power = 'off'

    def get_boot_device(self):
        return 'default'


BMC({sys.argv[3]: sys.argv[4]}, address=sys.argv[1], port=int(sys.argv[2])).listen()
