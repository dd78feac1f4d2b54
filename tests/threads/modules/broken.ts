// A module that throws while it is loaded.
throw new Error("this module does not load");
