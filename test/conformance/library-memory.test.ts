import { librarySuite } from './library-suite.js';

librarySuite('memory');
